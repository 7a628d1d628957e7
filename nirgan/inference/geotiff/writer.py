"""Writes GeoTIFFs with the georeference, blocks and lossless compression of a source raster."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio

from nirgan.data.images import Pixels
from nirgan.data.rasters.bands import as_window, gdal_errors
from nirgan.errors import NirganError
from nirgan.inference.geotiff.reader import RasterSource
from nirgan.inference.images.metadata import description, xmp
from nirgan.utils.rect import Rect

LOSSLESS_COMPRESSIONS = {"DEFLATE", "LZW", "ZSTD"}
"""Compressions, as GDAL calls them, that keep every value of any type."""
MAX_STRIP_PIXELS = 2**22
"""Pixels in a strip, at most: a whole one is in memory."""


class RasterTarget:
    """A GeoTIFF, open for writing. Use it in a `with` statement: it is complete at its end.

    Args:
        path: Where to write.
        name: What messages call it.
        source: Gives the size, the georeference, and, where colors can have them, blocks and
            compression.
        bands: What each is, one word or two; three are red, green and blue.
        dtype: Of the bands.
        nodata: The value of pixels that are no data; None if a mask says so, or all are.
        masked: Whether there is a mask.
        title: Of the model that made it.

    Attributes:
        remark: What is other than in the source, if anything is.
        crs_is_lost: Whether the source's coordinate system does not fit into a TIFF; known at the
            end.

    Raises:
        NirganError: The file cannot be written; at the end, what is in it is not what was written.
    """

    def __init__(
        self,
        path: Path,
        name: Path,
        source: RasterSource,
        bands: Sequence[str],
        dtype: npt.DTypeLike,
        nodata: float | None,
        masked: bool,
        title: str,
    ) -> None:
        self._path, self._masked = path.absolute(), masked
        self._failure = f"{name}: cannot be written"
        self._incomplete: dict[Rect, tuple[Pixels, int]] = {}
        self._checksums: dict[Rect, int] = {}
        self.crs_is_lost = source.located.crs is not None
        layout, self.remark = _layout(source, np.dtype(dtype))
        profile = {
            **{"driver": "GTiff", "height": source.height, "width": source.width},
            **{"count": len(bands), "dtype": dtype, "nodata": nodata, "BIGTIFF": "IF_SAFER"},
            **({"photometric": "RGB"} if len(bands) == 3 else {}),
            **layout,
            **_georeference(source),
        }
        # GDAL takes an XMP packet whole, rasterio hands it over as a name, "=" and a value.
        packet, _, value = xmp(title).decode().partition("=")
        texts = {"TIFFTAG_IMAGEDESCRIPTION": description(title), "TIFFTAG_SOFTWARE": title}
        with gdal_errors(self._failure):
            self._dataset = dataset = rasterio.open(self._path, "w", **profile)
            dataset.descriptions = tuple(bands)
            # AREA_OR_POINT, dates, the owner's own
            dataset.update_tags(**source.dataset.tags() | texts)
            dataset.update_tags(ns="xml:XMP", **{packet: value})
            if source.located.rpcs is not None:
                dataset.rpcs = source.located.rpcs

    def __enter__(self) -> "RasterTarget":
        return self

    def __exit__(self, error: object, *_: object) -> None:
        self._dataset.close()
        if error is None:
            self._verify()

    def add(self, window: Rect, pixels: Pixels, valid: npt.NDArray[np.bool_]) -> None:
        """Write a window: pixels, bands x h x w, and which of them are data, h x w.

        Windows cover the raster once, beginning with its first pixel. Blocks are put together
        first, so that each is compressed once. What is in memory is what windows have begun and
        not completed: about one row of blocks.
        """
        if self._masked:
            pixels = np.concatenate([pixels, valid[np.newaxis].astype(pixels.dtype)])
        if (window.top, window.left) == (0, 0):
            self._incomplete.clear()  # a new attempt, in smaller windows
        high, wide = self._dataset.block_shapes[0]
        top, left = window.top // high * high, window.left // wide * wide
        bottom, right = -(-window.bottom // high) * high, -(-window.right // wide) * wide
        around = Rect(top, left, bottom, right) & Rect(0, 0, *self._dataset.shape)
        for block in around.parts(high, wide):
            self._copy_to_block(block, window, pixels)

    def _copy_to_block(self, block: Rect, window: Rect, pixels: Pixels) -> None:
        """Copy what a window has of a block, and write the block if that completes it."""
        part = block & window
        if block not in self._incomplete:
            empty = np.empty((len(pixels), *block.shape), pixels.dtype)
            self._incomplete[block] = empty, empty[0].size
        whole, missing = self._incomplete.pop(block)
        whole[:, *part.within(block)] = pixels[:, *part.within(window)]
        missing -= part.shape[0] * part.shape[1]
        if missing:
            self._incomplete[block] = whole, missing
        else:
            self._write(block, whole)

    def _write(self, block: Rect, pixels: Pixels) -> None:
        part = as_window(block)
        bands = pixels[: self._dataset.count]
        valid = pixels[-1] > 0 if self._masked else None
        with gdal_errors(self._failure):
            self._dataset.write(bands, window=part)
            if valid is not None:
                self._dataset.write_mask(valid, window=part)
        self._checksums[block] = _checksum(bands, valid)

    def _verify(self) -> None:
        """Read everything again: GDAL keeps silent where the disk fills up as a file is closed."""
        with gdal_errors(self._failure), rasterio.open(self._path) as dataset:
            self.crs_is_lost &= dataset.crs is None
            for block, before in self._checksums.items():
                part = as_window(block)
                valid = dataset.read_masks(1, window=part) > 0 if self._masked else None
                if _checksum(dataset.read(window=part), valid) != before:
                    raise NirganError(f"{self._failure}; is the disk full, or damaged?")


def _layout(source: RasterSource, dtype: np.dtype[Any]) -> tuple[dict[str, Any], str]:
    """Arguments of rasterio.open for blocks and compression; a remark if the source differs."""
    high, wide = source.dataset.block_shapes[source.band - 1]
    if wide != source.width or high > source.height:  # not in strips
        layout = {"tiled": True, "blockysize": high, "blockxsize": wide}
    else:
        layout = {"blockysize": max(1, min(high, MAX_STRIP_PIXELS // source.width))}
    structure = source.dataset.tags(ns="IMAGE_STRUCTURE")
    compression = structure.get("COMPRESSION")
    if compression is None:
        return layout, ""
    lossless = compression in LOSSLESS_COMPRESSIONS
    layout["compress"] = compression if lossless else "DEFLATE"
    if not lossless or structure.get("PREDICTOR", "1") != "1":
        layout["predictor"] = 3 if dtype.kind == "f" else 2
    remark = f"compressed by {compression}; its colors are written with DEFLATE"
    return layout, "" if lossless else remark


def _georeference(source: RasterSource) -> dict[str, Any]:
    """Arguments of rasterio.open that say where on Earth a raster lies.

    A TIFF holds a transform or control points; a file beside it may have said both.
    """
    dataset = source.located
    points, system = dataset.gcps
    if points and (dataset.transform.is_identity or dataset.crs is None):
        return {"gcps": points, "crs": system}
    place = {} if dataset.transform.is_identity else {"transform": dataset.transform}
    return {"crs": dataset.crs, **place}


def _checksum(bands: Pixels, valid: npt.NDArray[np.bool_] | None) -> int:
    return zlib.crc32(b"" if valid is None else valid.tobytes(), zlib.crc32(bands.tobytes()))
