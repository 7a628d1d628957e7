"""What pix2pix's publication fixes: layers, sizes, parameters, receptive field."""

import pytest
import torch
from torch import nn

from nirgan.networks.discriminators.patch import PatchGAN
from nirgan.networks.generators.unet import UNet


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_the_published_u_net_has_54_million_parameters():
    network = UNet()
    assert parameters(network) == 54_414_531  # between three channels, 256x256 down to 1x1
    widths = [layer.out_channels for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert widths == [64, 128, 256, 512, 512, 512, 512, 512]


def test_dropout_and_batch_norm_lie_where_they_are_published():
    network = UNet(width=4)
    kinds = [[type(m).__name__ for m in layer] for layer in network.up]
    assert ["Dropout" in kind for kind in kinds] == [True] * 3 + [False] * 5
    assert ["BatchNorm2d" in kind for kind in kinds] == [True] * 7 + [False]
    down = [any(isinstance(m, nn.BatchNorm2d) for m in layer) for layer in network.down]
    assert down == [False, *[True] * 6, False]


def test_skip_connections_carry_what_the_bottleneck_loses():
    network = UNet(width=4, depth=3, std=0.2).eval()
    nir = torch.randn(1, 3, 32, 32, requires_grad=True)
    with torch.no_grad():
        network.up[0][1].weight.zero_()  # nothing comes through the bottleneck
    (gradient,) = torch.autograd.grad(network(nir).abs().sum(), nir)
    assert gradient.abs().min() > 0


def test_each_logit_sees_70_by_70_pixels():
    discriminator = PatchGAN(std=0.2).eval()
    rgb, nir = torch.randn(1, 3, 256, 256, requires_grad=True), torch.randn(1, 1, 256, 256)
    logits = discriminator(rgb, nir)
    assert logits.shape == (1, 1, 30, 30)
    (gradient,) = torch.autograd.grad(logits[0, 0, 15, 15], rgb)
    rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
    columns = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
    assert len(rows) == len(columns) == 70
    assert rows[-1] - rows[0] == 69
    assert parameters(PatchGAN()) == 2_766_657


def test_a_depth_of_one_is_no_u_net():
    with pytest.raises(ValueError, match="depth is 1, expected 2 or more"):
        UNet(depth=1)
