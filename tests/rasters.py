"""Rasters, and a colorizer whose colors can be told in advance."""

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d, pad

from nirgan.data.scaling import Scale
from nirgan.inference.geotiff.colorize import colorize_geotiff
from nirgan.utils.rect import Rect

rasterio = pytest.importorskip("rasterio")
from rasterio.transform import Affine  # noqa: E402

TURNED = Affine(10, 2, 500000, 3, -10, 5000000)


class Smooth:
    """Red is the band, green what 5 x 5 pixels are on average, blue the band upside down."""

    title = "nirgan 9, model smooth"

    def __init__(self, tile=32):
        self.tile = tile

    def colorize_windows(self, height, width, read, write):
        raster = Rect(0, 0, height, width)
        for core in raster.parts(self.tile, self.tile):
            seen = core.grown(2) & raster
            write(core, self.colors(read(seen))[..., *core.within(seen)])

    @staticmethod
    def colors(nir):
        assert nir.dtype == torch.float32
        assert 0 <= nir.min() <= nir.max() <= 1
        mean = avg_pool2d(pad(nir[:, None], (2, 2, 2, 2), mode="replicate"), 5, 1)[:, 0]
        return torch.stack([nir, mean, 1 - nir], 1)


def scene(height, width, dtype="uint16"):
    rows, columns = np.mgrid[:height, :width]
    unit = (2 + np.sin(rows / 9) + np.cos(columns / 7)) / 4
    if np.dtype(dtype).kind == "f":
        return unit.astype(dtype)
    return (unit * (np.iinfo(dtype).max - 1) + 1).astype(dtype)


def save(path, bands, **options):
    bands = bands if bands.ndim == 3 else bands[np.newaxis]
    count, height, width = bands.shape
    size = {"count": count, "height": height, "width": width, "dtype": bands.dtype}
    with rasterio.open(path, "w", driver="GTiff", **size, **options) as dataset:
        dataset.write(bands)
    return path


def colorized(path, scale="dtype", colorizer=None, **options):
    """Bands as they were written, and the data set, closed."""
    target = path.parent / "out" / path.name
    colorize_geotiff(colorizer or Smooth(), path, target, Scale.parse(scale), **options)
    with rasterio.open(target) as dataset:
        return dataset.read(), dataset


def expected(unit, most):
    rgb = Smooth.colors(torch.from_numpy(unit.astype(np.float32))[None])
    return (rgb[0] * most).round().numpy()
