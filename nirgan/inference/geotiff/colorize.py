"""Colorizes one band of a GeoTIFF by windows, and keeps its georeference.

Whatever its size, only a few rows of blocks are in memory: GDAL's cache of at most
`GDAL_CACHE_BYTES`, and incomplete blocks. rasterio (`pip install 'nirgan[geo]'`) is needed for
reading and writing, but not for detecting GeoTIFFs.
"""

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from torch import Tensor

from nirgan.data.decoding.tiff import tags_of
from nirgan.data.scaling import Scale, hint_of_bits
from nirgan.errors import needs_extra
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.conversions import to_levels
from nirgan.inference.images.world_files import GEO_TAGS, world_file
from nirgan.inference.uncertainty import expected_error
from nirgan.utils.atomic_write import atomic_write
from nirgan.utils.rect import Rect

GDAL_CACHE_BYTES = 128 * 2**20
"""Size of GDAL's cache of blocks in bytes."""


def is_geotiff(path: Path) -> bool:
    """Whether a file is a TIFF with a georeference, or with a value of no data.

    Both may also be in files beside it, of which only world files are detected without rasterio.
    Damaged files have neither.
    """
    tags = tags_of(path)
    if not tags:
        return False
    if tags & GEO_TAGS:
        return True
    try:
        from nirgan.inference.geotiff.reader import is_georeferenced  # noqa: PLC0415 (needs an extra)
    except ModuleNotFoundError:
        return world_file(path) is not None
    return is_georeferenced(path)


def colorize_geotiff(
    colorizer: Colorizer,
    source: Path,
    target: Path,
    scale: Scale,
    band: int | None = None,
    depth: int | None = None,
    uncertainty: Path | None = None,
    tick: Callable[[int], None] = lambda pixels: None,
) -> list[str]:
    """Colorize a band of a raster; georeference, blocks and compression are kept.

    Pixels without data are kept. Their value is kept if the type of the target can represent it,
    and equal colors are changed by one level; in all other cases the target has a mask.

    Args:
        colorizer: The method.
        source: The raster; scale and offset in its metadata are ignored.
        target: The output.
        scale: Percentiles are those of a sample of all windows.
        band: See `nirgan.inference.geotiff.reader.RasterSource`.
        depth: Bits of the target; None: 8 of an 8-bit source, else 16.
        uncertainty: File for the expected angular error in degrees, NaN for no data; None: none.
        tick: Called with the number of further pixels that are written.

    Returns:
        Hints for the user, one line each.

    Raises:
        NirganError: See `RasterSource`; its values do not go with the scale, the target cannot be
            written, or rasterio is not installed.
    """
    with needs_extra("geo", source):
        import rasterio  # noqa: PLC0415
        from rasterio.errors import NotGeoreferencedWarning  # noqa: PLC0415

        from nirgan.data.rasters.bands import as_type  # noqa: PLC0415
        from nirgan.inference.geotiff.reader import RasterSource  # noqa: PLC0415
        from nirgan.inference.geotiff.writer import RasterTarget  # noqa: PLC0415
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # not an error here
        stack.enter_context(
            rasterio.Env(
                GDAL_CACHEMAX=GDAL_CACHE_BYTES,
                GDAL_NUM_THREADS="ALL_CPUS",
                GDAL_TIFF_INTERNAL_MASK=True,
            )
        )
        raster = stack.enter_context(RasterSource(source, band))
        limits = scale.limits(raster.sample, source)
        depth = depth or (8 if raster.dtype.itemsize == 1 else 16)
        dtype = np.dtype(f"uint{depth}")
        nodata = as_type(raster.nodata, dtype)
        masked = nodata is None and (raster.masked or raster.nodata is not None)
        # No .aux.xml for what a TIFF cannot contain.
        stack.enter_context(rasterio.Env(GDAL_PAM_ENABLED=False))
        # Both files are renamed when both are complete.
        part = stack.enter_context(atomic_write(target))
        part_of_map = stack.enter_context(atomic_write(uncertainty)) if uncertainty else None
        names: tuple[str, ...] = ("red", "green", "blue")
        colors = stack.enter_context(
            RasterTarget(part, target, raster, names, dtype, nodata, masked, colorizer.title)
        )
        degrees = None
        if uncertainty and part_of_map:
            names = ("expected angular error in degrees",)
            how = names, np.float32, np.nan, False, colorizer.title
            degrees = stack.enter_context(RasterTarget(part_of_map, uncertainty, raster, *how))

        def read(window: Rect) -> Tensor:
            return limits.to_unit(raster.filled(window)).unsqueeze(0)

        def write(window: Rect, rgb: Tensor) -> None:
            valid = raster.data(window)
            levels = np.moveaxis(to_levels(rgb[0], depth), 2, 0)
            if nodata is not None:  # which no color may equal
                other = nodata + 1 if nodata < np.iinfo(dtype).max else nodata - 1
                levels[levels == nodata] = other
            levels[:, ~valid] = nodata or 0
            colors.add(window, levels, valid)
            if degrees is not None:
                expected = expected_error(rgb).numpy()
                degrees.add(window, np.where(valid, expected, np.float32(np.nan)), valid)
            tick(valid.size)

        colorizer.colorize_windows(raster.height, raster.width, read, write)
    hints = [
        raster.remark,
        colors.remark,
        hint_of_bits(raster.sample) if scale.kind == "dtype" else "",
        "its coordinate system does not fit into a TIFF and is lost" if colors.crs_is_lost else "",
        "a TIFF has a transform or control points: one of its two places is lost"
        if raster.located.gcps[0] and not raster.located.transform.is_identity
        else "",
    ]
    return [f"{source}: {hint}" for hint in hints if hint]
