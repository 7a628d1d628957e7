"""How unsure colours are: what does not matter changes nothing, what is guessed moves."""

import pytest
import torch
from torch import nn

from nirgan.errors import NirganError
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.loading import load
from nirgan.inference.uncertainty import MIRRORS, disagreement, variants
from nirgan.networks.generators.compact import Compact


class Sure(nn.Module):
    """One hue, as bright as NIR: neither mirrors nor exposure turn it."""

    def forward(self, triplet):
        unit = (triplet + 1) / 2
        return unit * unit.new_tensor([1.0, 0.5, 0.2]).view(3, 1, 1) * 2 - 1


class LeftIsRed(nn.Module):
    """Red on the left of the picture, blue on the right: a mirror exchanges them."""

    def forward(self, triplet):
        across = torch.linspace(0.2, 0.8, triplet.shape[-1])
        red, blue = 1 - across, across
        return torch.stack([red, red * 0 + 0.5, blue])[:, None].expand_as(triplet) * 2 - 1


NIR = 0.1 + 0.8 * torch.rand(2, 64, 96, generator=torch.Generator().manual_seed(0))


def test_a_hue_that_nothing_turns_is_sure():
    colours, degrees = Colorizer(Sure(), device="cpu").uncertainty(NIR)
    assert colours.shape == (2, 3, 64, 96)
    assert degrees.shape == (2, 64, 96)
    assert degrees.max() < 0.05


def test_what_a_mirror_turns_is_unsure_there():
    _, degrees = Colorizer(LeftIsRed(), device="cpu").uncertainty(NIR[:1])
    edge, middle = degrees[0, :, 0].mean(), degrees[0, :, 48].mean()
    assert edge > 10
    assert middle < 1


def test_variants_are_turned_back():
    tile = torch.rand(1, 1, 6, 7)
    mirrored = [(change(tile), back) for change, back in variants()][: len(MIRRORS)]
    assert all(not torch.equal(variant, tile) for variant, _ in mirrored)
    assert all(torch.equal(back(variant), tile) for variant, back in mirrored)


def test_the_mean_angle_by_hand():
    red, green = torch.zeros(1, 3, 1, 1), torch.zeros(1, 3, 1, 1)
    red[:, 0], green[:, 1] = 1, 1
    assert disagreement(red, [red, green]).item() == pytest.approx(45)
    assert disagreement(red, [red * 0]).item() == 0


def test_tiles_are_as_unsure_as_the_whole():
    torch.manual_seed(0)
    generator = Compact(widths=(4, 6))
    nn.init.normal_(generator.last.weight, std=0.5)
    nir = torch.rand(1, 150, 200)
    _, whole = Colorizer(generator, device="cpu", tile=4096).uncertainty(nir)
    _, tiled = Colorizer(generator, device="cpu", tile=64).uncertainty(nir)
    assert whole.max() > 1
    assert (whole - tiled).abs().max() < 0.01


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("no-such-model", {}, "no such model"),
        ("default", {"device": "cuda:77"}, "--device cuda:77"),
        ("default", {"device": "toaster"}, "--device toaster"),
        ("default", {"tile": -1}, "--tile -1"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(model, options, message):
    with pytest.raises(NirganError, match=message) as error:
        load(model, **options)
    assert "\n" not in str(error.value)


def test_the_model_that_comes_along_colours_what_it_is_given():
    colours = load(device="cpu").band(torch.rand(1, 64, 64))
    spread = (colours.amax(1) - colours.amin(1)).mean()
    assert spread > 0.01
