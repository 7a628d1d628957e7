import pytest
import torch
from torch import nn

from nirgan.networks.generators.branch import Branch
from nirgan.networks.generators.flat import Flat
from nirgan.networks.generators.triplet import Triplet

SMALL = {"widths": (4, 4), "kernels": (3, 3), "last_kernel": 3}


def test_each_channel_comes_from_its_own_copy_alone():
    generator = Triplet(**SMALL, std=0.5).eval()
    nir = torch.randn(1, 3, 12, 12, requires_grad=True)
    for channel in range(3):
        (gradient,) = torch.autograd.grad(generator(nir)[:, channel].sum(), nir)
        assert [bool(gradient[:, c].any()) for c in range(3)] == [c == channel for c in range(3)]


@pytest.mark.parametrize(("how", "inputs"), [("concat", 5), ("add", 4), ("none", 4)])
def test_nir_joins_the_last_layer_of_red_alone(how, inputs):
    generator = Triplet(**SMALL, nir_into_red=how)
    assert generator.red.last.in_channels == inputs
    assert generator.green.last.in_channels == generator.blue.last.in_channels == 4
    # Past a dead last hidden layer only what joins afterwards comes through.
    generator.eval()
    for branch in (generator.red, generator.green, generator.blue):
        torch.nn.init.zeros_(branch.layers[-1][0].weight)
    seen = generator(torch.randn(1, 3, 12, 12))
    varies = [bool(seen[0, c].std() > 1e-6) for c in range(3)]
    assert varies == [how != "none", False, False]


def test_hidden_layers_convolve_and_then_deconvolve_with_batch_norm_on_each():
    names = [
        [type(m).__name__ for m in layer] for layer in Branch(1, 1, (4,) * 4, (3,) * 4, 3).layers
    ]
    assert (
        names
        == [["Conv2d", "BatchNorm2d", "LeakyReLU"]] * 2
        + [["ConvTranspose2d", "BatchNorm2d", "ReLU"]] * 2
    )


def test_wrong_layers_say_what_is_expected():
    with pytest.raises(ValueError, match="widths has 2 and kernels 1"):
        Triplet(widths=(4, 4), kernels=(3,))
    with pytest.raises(ValueError, match="kernel size 4 is even"):
        Triplet(widths=(4,), kernels=(4,))


@pytest.mark.parametrize("cls", [Triplet, Flat])
def test_the_defaults_are_constructed_and_initialised_as_the_paper_says(cls):
    generator = cls()
    weights = [
        m.weight for m in generator.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    ]
    assert torch.cat([w.flatten() for w in weights]).std().item() == pytest.approx(
        0.00282, rel=0.02
    )
    assert not any(
        isinstance(m, nn.Dropout | nn.MaxPool2d | nn.AvgPool2d) for m in generator.modules()
    )
    assert all(m.stride == (1, 1) for m in generator.modules() if isinstance(m, nn.Conv2d))
