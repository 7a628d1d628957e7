"""Pictures in tiles are pictures without seams, with every generator of the package."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts import networks_in, small
from torch import nn

import nirgan.networks.generators as package
from nirgan.data.scaling import Limits
from nirgan.errors import NirganError
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.conversions import to_levels
from nirgan.inference.images.files import NirPicture
from nirgan.inference.tiling import ReceptiveField, blend, measure_receptive_field, tile_grid
from nirgan.inference.uncertainty import expected_error
from nirgan.networks.generators.baselines import NirTable
from nirgan.networks.generators.compact import Compact
from nirgan.networks.generators.flat import Flat
from nirgan.networks.generators.resnet import ResNet
from nirgan.networks.virtual_batch_norm import VirtualBatchNormalized
from nirgan.utils.rect import Rect


def random_batch_norm(network):
    """Statistics and weights as after training: what a seam would show in."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=1.5 / parameter[0].numel() ** 0.5)
    return network.eval()


def with_references():
    network = VirtualBatchNormalized(Flat(widths=(4,), kernels=(3,), last_kernel=3))
    network(torch.rand(2, 3, 32, 32))
    return network


SIZES = {"widths": (4, 6), "kernels": (5, 3), "last_kernel": 3, "width": 4, "depth": 3}
SIZES |= {"blocks": 2, "normalization": 3, "radius": 2, "joined": 4, "size": 64, "levels": 2}
GENERATORS = [
    pytest.param(lambda cls=p.values[0]: small(cls, **SIZES), id=p.id)
    for p in networks_in(package, parts={"Branch"})
] + [pytest.param(with_references, id="VirtualBatchNormalized")]


@pytest.mark.parametrize("make", GENERATORS)
def test_tiles_give_the_whole_picture(make):
    generator = random_batch_norm(make())
    receptive_field = measure_receptive_field(generator)
    assert receptive_field.radius is not None
    nir = torch.rand(1, 2 * receptive_field.radius + 75, 3 * receptive_field.radius + 150)
    whole = Colorizer(generator, tile=4096, receptive_field=receptive_field).colorize_bands(nir)
    tile = max(64, receptive_field.radius // 64 * 64)
    tiled = Colorizer(generator, tile=tile, receptive_field=receptive_field).colorize_bands(nir)
    assert whole.std() > 0.01
    assert (whole - tiled).abs().max() < 1e-5
    if receptive_field.radius > receptive_field.stride:  # nor is the halo wider than it has to be
        narrow = replace(receptive_field, radius=receptive_field.radius - receptive_field.stride)
        assert (
            whole - Colorizer(generator, tile=tile, receptive_field=narrow).colorize_bands(nir)
        ).abs().max() > 0


@pytest.mark.parametrize("size", [(10, 200), (70, 3)])
def test_tiles_beyond_a_small_picture_are_its_edge(size):
    generator = random_batch_norm(ResNet(width=4, blocks=1))
    nir, receptive_field = (
        torch.rand(2, *size),
        ReceptiveField(stride=4, radius=20, activations_per_pixel=100),
    )
    whole = Colorizer(generator, tile=4096, receptive_field=receptive_field).colorize_bands(nir)
    tiled = Colorizer(generator, tile=16, receptive_field=receptive_field).colorize_bands(nir)
    assert whole.shape == (2, 3, *size)
    assert (whole - tiled).abs().max() < 1e-5


class Greedy(nn.Module):
    """Runs out of memory where a tile is larger than a side."""

    def __init__(self, side, error):
        super().__init__()
        self.side, self.error = side, error

    def forward(self, triplet):
        if triplet.shape[-1] > self.side:
            raise self.error
        return triplet


TORCHS_OWN = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")


@pytest.mark.parametrize("error", [TORCHS_OWN, torch.OutOfMemoryError("CUDA"), MemoryError()])
def test_where_the_memory_ends_tiles_get_smaller(error):
    receptive_field = ReceptiveField(stride=1, radius=0, activations_per_pixel=1)
    nir = torch.rand(1, 100, 300)
    colors = Colorizer(Greedy(70, error), receptive_field=receptive_field).colorize_bands(nir)
    assert torch.allclose(colors[0, 0], nir[0], atol=1e-6)
    with pytest.raises(NirganError, match="300x100 does not fit into the memory of cpu"):
        Colorizer(Greedy(0, error), receptive_field=receptive_field).colorize_bands(nir)


def test_other_errors_are_what_they_are():
    with pytest.raises(RuntimeError, match="shape"):
        Colorizer(
            Greedy(0, RuntimeError("shape")), receptive_field=ReceptiveField(1, 0, 1)
        ).colorize_bands(torch.rand(1, 9, 9))


def test_cores_cover_a_picture_once():
    covered = torch.zeros(96, 160)
    for tile in tile_grid(96, 160, core=64, halo=16):
        covered[tile.core.inner] += 1
        assert tile.input_rect.top <= tile.core.top
        assert tile.input_rect.right - tile.core.right <= 16
    assert (covered == 1).all()


def test_no_network_is_shown_a_sliver_of_a_picture():
    first, *_, last = tile_grid(144, 80, core=32, halo=8)
    assert first.input_rect == Rect(0, 0, 64, 64)
    assert last.core == Rect(128, 64, 144, 80)
    assert last.input_rect == Rect(80, 16, 144, 80)


def test_a_table_looks_at_a_pixel_alone():
    measured = measure_receptive_field(NirTable().eval())
    assert (measured.radius, measured.stride) == (0, 1)


class SeesEverything(nn.Module):
    def forward(self, triplet):
        return triplet * triplet.mean((1, 2, 3), keepdim=True)


class IgnoresNotANumber(nn.Module):
    def forward(self, triplet):
        return triplet * triplet.nan_to_num().mean((1, 2, 3), keepdim=True)


@pytest.mark.parametrize("network", [SeesEverything(), IgnoresNotANumber()])
def test_what_looks_at_everything_in_ways_of_its_own_is_never_cut(network):
    assert measure_receptive_field(network).radius is None
    nir = torch.rand(1, 70, 90)
    whole = Colorizer(network, tile=4096).colorize_bands(nir)
    assert torch.equal(Colorizer(network, tile=16).colorize_bands(nir), whole)


@pytest.mark.parametrize("size", [(20, 7), (64, 65), (97, 160), (130, 33)])
def test_windows_of_a_raster_fade_into_one_another(size):
    height, width = size
    raster = torch.rand(1, 2, height, width)
    blended, covered, seen = torch.zeros_like(raster), torch.zeros(height, width), []

    def colorize(window):
        seen.append(window)
        return raster[..., *window.inner] + len(seen) % 2

    for part, values in blend(height, width, 64, colorize):
        covered[part.inner] += 1
        blended[..., *part.inner] = values
    assert (covered == 1).all()
    added = blended - raster  # 0 or 1 by window, so steps of 1 where they do not fade
    assert added.min() > -1e-5
    assert added.max() < 1 + 1e-5
    assert added.diff(dim=-1).abs().max() < 0.05
    assert added.diff(dim=-2).abs().max() < 0.05
    assert all(w.bottom - w.top <= 64 and w.right - w.left <= 64 for w in seen)


class Scenes(nn.Module):
    """Colors that depend on the mean of all that is shown."""

    by_scene = True

    def forward(self, triplet):
        return (triplet + triplet.mean((2, 3), keepdim=True)).clamp(-1, 1)


def test_a_raster_is_shown_scene_by_scene(monkeypatch):
    monkeypatch.setattr("nirgan.inference.colorizer.SCENE_PX", 64)
    raster, shown = torch.rand(1, 150, 200), []
    found = torch.empty(1, 3, 150, 200)

    def read(window):
        shown.append((window.bottom - window.top, window.right - window.left))
        return raster[:, window.top : window.bottom, window.left : window.right]

    def write(window, rgb):
        found[..., window.top : window.bottom, window.left : window.right] = rgb

    colorizer = Colorizer(Scenes(), receptive_field=ReceptiveField(1, None, 1))
    colorizer.colorize_windows(150, 200, read, write)
    assert max(shown) <= (64, 64)
    corner = colorizer.colorize_bands(raster[:, :64, :64])[..., :32, :32]
    assert (found[..., :32, :32] - corner).abs().max() < 1e-5
    assert (found - colorizer.colorize_bands(raster)).abs().max() < 0.2


@pytest.mark.parametrize(("dtype", "depth"), [("uint16", 16), ("float32", 8)])
def test_a_picture_is_colorized_by_tiles_into_what_is_written(monkeypatch, dtype, depth):
    """Nothing of the size of the picture is made of floats."""
    torch.manual_seed(0)
    band = np.random.default_rng(0).random((90, 130))
    band = band.astype(dtype) if dtype == "float32" else (band * 200).astype(dtype)
    alpha = (band * 3).astype(dtype)
    limits = Limits(0.1, 0.9) if dtype == "float32" else Limits(20, 180)
    generator = Compact(widths=(4, 6))
    torch.nn.init.normal_(generator.last.weight, std=0.5)
    colorizer = Colorizer(generator, tile=32)
    whole = colorizer.colorize_bands(limits.to_unit(band)[None])
    asked, to_unit = [], Limits.to_unit
    monkeypatch.setattr(
        Limits, "to_unit", lambda self, part: asked.append(part.size) or to_unit(self, part)
    )
    degrees = np.empty(band.shape, np.float32)
    levels = colorizer.colorize_picture(NirPicture(band, alpha), limits, depth, degrees)
    assert levels.dtype == f"uint{depth}"
    np.testing.assert_array_equal(levels[..., :3], to_levels(whole[0], depth))
    # Processors of longer vectors round the last bit by where in a row a number stands.
    np.testing.assert_allclose(degrees, expected_error(whole)[0].numpy(), rtol=5e-7)
    opaque = (alpha.astype(np.float64) * 255).clip(0, 255).round() if dtype == "float32" else alpha
    np.testing.assert_array_equal(levels[..., 3], opaque)
    assert len(asked) > 10
    assert max(asked) < band.size / 2
