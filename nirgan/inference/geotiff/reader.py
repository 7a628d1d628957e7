"""Reads one band of a GeoTIFF by windows, with pixels without data filled.

Where pixels are no data, the network is shown the nearest pixel that is data instead, see
`nirgan.inference.nodata_fill`.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.enums import ColorInterp

from nirgan.data.images import Pixels
from nirgan.data.rasters.bands import (
    BAND_MARKS,
    Bands,
    gdal_errors,
    is_own_mask,
    list_bands,
    open_raster,
)
from nirgan.errors import NirganError
from nirgan.inference import nodata_fill
from nirgan.utils.rect import Rect

LOSSY_NOISE_LEVELS = 2
"""Levels by which equal bands differ where they are compressed with loss."""


def is_georeferenced(path: Path) -> bool:
    """Whether a sound TIFF, or files beside it, say where on Earth it lies or what is no data."""
    try:
        with gdal_errors(str(path)), open_raster(path) as dataset:
            masked = any(map(is_own_mask, dataset.mask_flag_enums))
            return _has_georeference(dataset) or masked or set(dataset.nodatavals) != {None}
    except NirganError:
        return False


def _has_georeference(dataset: Any) -> bool:
    return bool(dataset.crs or not dataset.transform.is_identity or dataset.gcps[0] or dataset.rpcs)


class RasterSource(Bands):
    """A band of a TIFF, open for reading. Use it in a `with` statement.

    Args:
        path: The file.
        band: Its number, from 1 on, counted through all pages, and taken at its word; None: the
            only one beside transparency, the one that says that it is near-infrared, or any of
            several that are equal.

    Attributes:
        dataset, band: What rasterio makes of the page that the band is in; its number there.
        height, width: Of the page in pixels.
        located: The page that says where it lies.
        nodata: The value that says that a pixel is no data, if there is one.
        remark: Why it is the one, if somebody may want to know.

    Raises:
        NirganError: It cannot be read, has no such band, one that is no measurement, or several
            that differ, of which none is chosen.
    """

    def __init__(self, path: Path, band: int | None = None) -> None:
        self.path, self.remark = path, ""
        with ExitStack() as stack:
            first = stack.enter_context(open_raster(path))
            names = first.subdatasets
            pages = [stack.enter_context(open_raster(path, page=page)) for page in names]
            bands = [(page, n) for page in pages or [first] for n in page.indexes]
            dataset, self.band = bands[self._choose_band(bands, band)]
            super().__init__(path, dataset, [self.band])
            self.height, self.width = dataset.shape
            self.nodata: float | None = dataset.nodatavals[self.band - 1]
            same = dataset.shape == first.shape
            self.located = first if same and not _has_georeference(dataset) else dataset
            self._table = self._lookup_table(
                dataset.colorinterp[self.band - 1], band is not None or self.remark != ""
            )
            self._open = stack.pop_all()

    def __enter__(self) -> "RasterSource":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @cached_property
    def sample(self) -> Pixels:
        """Camera values from everywhere, one dimension, without those that are no data."""
        return self._camera_values(self.read_sample()[0])

    def filled(self, window: Rect) -> Pixels:
        """Camera values, h x w; where there is no data, those of the nearest pixel that is."""
        values = self.read(window)
        valid = self.valid(window, values)
        if valid.all():
            return self._camera_values(values[0])
        around = window.grown(nodata_fill.FILL_RADIUS_PX) & Rect(0, 0, self.height, self.width)
        values = self.read(around)
        pixels = self._camera_values(values[0])
        return nodata_fill.fill(pixels, self.valid(around, values), self._fill_value)[
            window.within(around)
        ]

    def _camera_values(self, stored: Pixels) -> Pixels:
        return stored if self._table is None else self._table[stored]

    @cached_property
    def _fill_value(self) -> Any:
        """The camera value that stands where no data is near."""
        return np.median(self.sample).astype(self.dtype) if self.sample.size else self.dtype.type(0)

    def _choose_band(self, bands: Sequence[tuple[Any, int]], chosen: int | None) -> int:
        """The index of the band, from 0 on."""
        labels = [(page.descriptions[n - 1] or "", page.colorinterp[n - 1]) for page, n in bands]
        if chosen is not None:
            if 1 <= chosen <= len(bands):
                return chosen - 1
            raise NirganError(
                f"{self.path}: no band {chosen}; choose the near-infrared one with "
                f"--band, of the {len(bands)} that there are: {list_bands(labels)}"
            )
        nir, word = BAND_MARKS["nir"]
        marked = [n for n, (name, kind) in enumerate(labels) if kind == nir or word.search(name)]
        seen = [n for n, (_, kind) in enumerate(labels) if kind != ColorInterp.alpha or n in marked]
        seen = seen or [0]
        if len(seen) > 1 and len(marked) == 1:
            name, kind = labels[marked[0]]
            name = " ".join((name or kind.name).split())
            self.remark = f"band {marked[0] + 1} is taken, named {name}; --band takes another"
            return marked[0]
        if len(seen) > 1 and not self._all_equal([bands[n] for n in seen]):
            raise NirganError(
                f"{self.path}: {len(seen)} bands that differ, expected one "
                f"near-infrared band; choose it with --band: {list_bands(labels)}"
            )
        return seen[0]

    def _all_equal(self, bands: Sequence[tuple[Any, int]]) -> bool:
        """Whether all bands are of one page and have equal values."""
        page, first = bands[0]
        if any(other is not page for other, _ in bands):
            return False
        lossy = str(page.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "")).endswith("JPEG")
        with gdal_errors(f"{self.path}: damaged"):
            for _, part in page.block_windows(first):
                values = page.read([n for _, n in bands], window=part)
                if lossy and np.ptp(values, axis=0).max() <= LOSSY_NOISE_LEVELS:
                    continue
                if any(not np.array_equal(values[0], v, equal_nan=True) for v in values[1:]):
                    return False
        return True

    def _lookup_table(self, kind: ColorInterp, chosen: bool) -> Pixels | None:
        """What stored numbers mean, where GDAL gives them as they are stored.

        Those of a palette of greys, of less than 8 bits, and those in which white is zero, which
        GDAL calls a palette too.
        """
        if self.dtype.kind == "c":
            raise NirganError(
                f"{self.path}: band {self.band} has complex values ({self.dtype}), "
                "expected integers or floats; write its magnitude into a file first"
            )
        structure = {
            **self.dataset.tags(ns="IMAGE_STRUCTURE"),
            **self.dataset.tags(self.band, ns="IMAGE_STRUCTURE"),
        }
        most = 2 ** int(structure.get("NBITS", 8 * self.dtype.itemsize)) - 1
        if kind == ColorInterp.palette and self.dtype == np.uint8:
            colors = np.zeros((256, 3), np.uint8)
            for number, color in self.dataset.colormap(self.band).items():
                colors[number] = color[:3]
            if not np.ptp(colors, axis=1).any():
                return np.ascontiguousarray(colors[:, 0])
        elif structure.get("MINISWHITE") == "YES" and self.dtype == np.uint16:
            return np.arange(most, most - 2**16, -1).clip(0).astype(np.uint16)
        elif self.dtype == np.uint8 and most < 255:
            levels = np.round(np.arange(256).clip(max=most) * (255 / most))
            return np.ascontiguousarray(levels, np.uint8)
        if kind in (ColorInterp.palette, ColorInterp.alpha) and not chosen:
            raise NirganError(
                f"{self.path}: band {self.band} holds numbers of a palette or "
                "transparency, expected a near-infrared measurement; choose it with --band"
            )
        return None
