import math

import pytest
import torch
from torch import nn

from nirgan.networks.generators.unet import UNet
from nirgan.networks.generators.zhang import Zhang, annealed_mean, bins, soft_encoding
from nirgan.networks.layers import doubling
from nirgan.utils.color_spaces import lab_to_rgb, rgb_to_lab


def test_the_bins_are_the_published_ones():
    points = bins()
    assert points.shape == (313, 2)
    assert points[:6].tolist() == [[-90, 50], [-90, 60], [-90, 70], [-90, 80], [-90, 90], [-80, 20]]
    assert points[-1].tolist() == [100, 0]
    assert len(points.unique(dim=0)) == 313


def test_every_color_of_a_screen_has_its_bin():
    steps = torch.linspace(-1, 1, 33)
    cube = torch.cartesian_prod(steps, steps, steps).T.view(1, 3, 33, -1)
    ab = rgb_to_lab(cube)[0, 1:].flatten(1).T
    inside = {tuple(point) for point in bins().tolist()}
    assert {tuple(point) for point in (ab / 10).round().mul(10).add(0.0).tolist()} <= inside


def test_a_color_is_shared_out_to_its_five_nearest_bins():
    points = bins()
    own, other = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 0.0]])
    code = soft_encoding(torch.cat([own, other]), points)
    assert torch.allclose(code.sum(1), torch.ones(2))
    assert (code > 0).sum(1).tolist() == [5, 5]
    beside = math.exp(-(10**2) / (2 * 5**2))
    at = lambda a, b: points.tolist().index([a, b])  # noqa: E731
    assert code[0, at(0, 0)].item() == pytest.approx(1 / (1 + 4 * beside))
    assert code[0, at(0, 10)].item() == pytest.approx(beside / (1 + 4 * beside))
    # (3, 0): squared distances of (0,0), (10,0), (0,10), (0,-10) and (10,10) or (10,-10).
    weights = [math.exp(-square / 50) for square in (9, 49, 109, 109, 149)]
    assert code[1, at(0, 0)].item() == pytest.approx(weights[0] / sum(weights), rel=1e-4)
    assert code[1, at(10, 0)].item() == pytest.approx(weights[1] / sum(weights), rel=1e-4)


def test_the_annealed_mean_lies_between_mean_and_mode():
    points = torch.tensor([[0.0, 0.0], [100.0, 40.0]])
    logits = torch.log(torch.tensor([0.4, 0.6])).view(1, 2, 1, 1)
    at = lambda t: annealed_mean(logits, points, t).flatten().tolist()  # noqa: E731
    assert at(1.0) == pytest.approx([60, 24])
    sharp = 0.6 ** (1 / 0.38) / (0.4 ** (1 / 0.38) + 0.6 ** (1 / 0.38))
    assert at(0.38) == pytest.approx([100 * sharp, 40 * sharp])
    assert at(0.01) == pytest.approx([100, 40])
    assert Zhang(width=4).temperature == 0.38
    with torch.autocast("cpu", torch.bfloat16):
        assert at(0.38) == pytest.approx([100 * sharp, 40 * sharp])


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValueError, match="temperature is 0, expected more than 0"):
        Zhang(width=4, temperature=0)


def test_at_full_width_the_layers_are_the_published_ones():
    plan = [  # inputs, outputs, dilation, stride
        *[(3, 64, 1, 1), (64, 64, 1, 2)],
        *[(64, 128, 1, 1), (128, 128, 1, 2)],
        *[(128, 256, 1, 1), (256, 256, 1, 1), (256, 256, 1, 2)],
        *[(256, 512, 1, 1), (512, 512, 1, 1), (512, 512, 1, 1)],
        *[(512, 512, 2, 1)] * 6,
        *[(512, 512, 1, 1)] * 3,
        *[(256, 256, 1, 1)] * 2,
    ]
    network = Zhang()
    parts = (network.first, network.trunk, network.last)
    layers = [m for part in parts for m in part.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [(m.in_channels, m.out_channels, m.dilation[0], m.stride[0]) for m in layers] == plan
    assert all(m.kernel_size == (3, 3) for m in layers)
    norms = [m.num_features for m in network.trunk.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms == [64, 128, 256, 512, 512, 512, 512]
    assert (network.up.in_channels, network.up.out_channels) == (512, 256)
    assert (network.bins.in_channels, network.bins.out_channels) == (256, 313)
    logits, lightness = network.eval().classify(torch.zeros(1, 3, 64, 48))
    assert logits.shape == (1, 313, 16, 12)
    assert lightness.shape == (1, 1, 64, 48)


def test_its_picture_is_made_of_the_lightness_and_the_annealed_mean():
    network = Zhang(width=4).eval()
    logits = torch.full((1, 313, 4, 4), -50.0)
    logits[:, bins().tolist().index([20, -30])] = 50.0
    network.classify = lambda triplet: (logits, torch.full((1, 1, 16, 16), 60.0))
    expected = lab_to_rgb(torch.tensor([60.0, 20.0, -30.0]).view(1, 3, 1, 1))
    assert torch.allclose(network(torch.zeros(1, 3, 16, 16)), expected, atol=1e-4)


@pytest.mark.parametrize(("mode", "same"), [("replicate", True), ("zeros", False)])
def test_to_an_encoder_that_repeats_edges_an_even_picture_has_none(mode, same):
    torch.manual_seed(0)
    even = torch.full((1, 3, 64, 64), 0.3)
    zhang, unet = Zhang(4, padding_mode=mode).eval(), UNet(4, depth=4, padding_mode=mode).eval()
    features = zhang.trunk(zhang.first(even)), nn.Sequential(*unet.down)(even)
    for hidden in features:
        spread = hidden.amax((2, 3)) - hidden.amin((2, 3))
        assert (spread.max() < 1e-4 * hidden.abs().max()) == same
    assert unet(even).shape == zhang(even).shape == even.shape


def test_an_upsampling_layer_that_repeats_edges_is_the_other_one_inside():
    torch.manual_seed(0)
    plain, padded = doubling(2, 3, "zeros"), doubling(2, 3, "replicate")
    padded[1].load_state_dict(plain.state_dict())
    hidden = torch.randn(1, 2, 5, 6)
    first, second = plain(hidden), padded(hidden)
    assert first.shape == second.shape == (1, 3, 10, 12)
    assert torch.allclose(first[..., 1:-1, 1:-1], second[..., 1:-1, 1:-1], atol=1e-6)
    assert not torch.allclose(first, second)
