"""One band of a GeoTIFF, by windows, without the holes.

Some pixels of rasters are no data: a value says so, not-a-number, a mask, an alpha band. The
network is shown the nearest pixel that is data instead, see `nirgan.inference.holes`.
"""

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as Part

from nirgan.data.images import Pixels
from nirgan.data.rasters.raster import SAYS_NIR, as_type, gdal_errors, own_mask
from nirgan.errors import NirganError, printable_path
from nirgan.inference import holes
from nirgan.utils.rect import Rect

LOSSY_NOISE_LEVELS = 2
"""Levels by which equal bands differ where they are compressed with loss."""
SAMPLE_SIDE_PX = 1024
"""Height and width of the sample that stands for the whole raster, at most."""


def is_georeferenced(path: Path) -> bool:
    """Whether a sound TIFF, or files beside it, say where on Earth it lies or what is no data."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path.absolute(), driver="GTiff") as dataset:
                holes = [own_mask(flags) for flags in dataset.mask_flag_enums]
                return _has_georeference(dataset) or any(holes) or set(dataset.nodatavals) != {None}
    except (RasterioError, UnicodeError):
        return False


def _has_georeference(dataset: Any) -> bool:
    return bool(dataset.crs or not dataset.transform.is_identity or dataset.gcps[0] or dataset.rpcs)


class RasterSource:
    """A band of a TIFF, open for reading. Use it in a `with` statement.

    Args:
        path: The file.
        band: Its number, from 1 on, counted through all pages, and taken at its word; None: the
            only one beside transparency, the one that says that it is near-infrared, or any of
            several that are equal.

    Attributes:
        dataset, band: What rasterio makes of the page that the band is in; its number there.
        located: The page that says where it lies.
        nodata: The value that says that a pixel is no data, if there is one.
        masked: Whether pixels may be no data without a value that says so.
        remark: Why it is the one, if somebody may want to know.

    Raises:
        NirganError: It cannot be read, has no such band, one that is no measurement, or several
            that differ, of which none is chosen.
    """

    def __init__(self, path: Path, band: int | None = None) -> None:
        self.path, self.remark = path, ""
        with ExitStack() as stack:
            with gdal_errors(f"{printable_path(path)}: not a readable GeoTIFF"):
                # No other of GDAL's formats, and no name that could be an address: some fetch
                # things.
                first = stack.enter_context(rasterio.open(path.absolute(), driver="GTiff"))
                pages = [
                    stack.enter_context(rasterio.open(page, driver="GTiff"))
                    for page in first.subdatasets
                ]
            bands = [(page, n) for page in pages or [first] for n in page.indexes]
            self.dataset, self.band = bands[self._choice(bands, band)]
            self.height, self.width = self.dataset.shape
            self.dtype: np.dtype[Any] = np.dtype(self.dataset.dtypes[self.band - 1])
            self.nodata: float | None = self.dataset.nodatavals[self.band - 1]
            same = self.dataset.shape == first.shape
            self.located = first if same and not _has_georeference(self.dataset) else self.dataset
            interpretations = self.dataset.colorinterp
            self._meaning = self._greys(
                interpretations[self.band - 1], band is not None or self.remark != ""
            )
            self._open = stack.pop_all()
        alphas = [n for n, kind in enumerate(interpretations, 1) if kind == ColorInterp.alpha]
        self._alpha = alphas[0] if alphas and alphas[0] != self.band else None
        self._mask = own_mask(self.dataset.mask_flag_enums[self.band - 1])
        self._nodata = as_type(self.nodata, self.dtype)
        self.masked = self._mask or self._alpha is not None or self.dtype.kind == "f"

    def __enter__(self) -> "RasterSource":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @cached_property
    def sample(self) -> Pixels:
        """Camera values from everywhere, one dimension, without those that are no data."""
        step = -(-max(self.height, self.width) // SAMPLE_SIDE_PX)
        shape = -(-self.height // step), -(-self.width // step)
        pixels, valid = self._read(Rect(0, 0, self.height, self.width), shape)
        return pixels[valid]

    def filled(self, window: Rect) -> Pixels:
        """Camera values, h x w; where there is no data, those of the nearest pixel that is."""
        pixels, valid = self._read(window)
        if valid.all():
            return pixels
        around = window.grown(holes.FILL_RADIUS_PX) & Rect(0, 0, self.height, self.width)
        return holes.fill(*self._read(around), self._typical)[window.within(around)]

    def valid(self, window: Rect) -> npt.NDArray[np.bool_]:
        """Which pixels are data, h x w."""
        if not self.masked and self._nodata is None:
            return np.ones(window.shape, np.bool_)
        return self._read(window)[1]

    def _read(
        self, window: Rect, shape: tuple[int, int] | None = None
    ) -> tuple[Pixels, npt.NDArray[np.bool_]]:
        """Camera values, and which of them are data, both h x w or `shape`."""
        part = as_window(window)
        rows, columns = f"{window.top}-{window.bottom}", f"{window.left}-{window.right}"
        with gdal_errors(
            f"{printable_path(self.path)}: damaged within rows {rows}, columns {columns}"
        ):
            pixels = self.dataset.read(self.band, window=part, out_shape=shape)
            valid = np.isfinite(pixels)
            if self._nodata is not None:
                valid &= pixels != self._nodata
            if self._mask:
                valid &= self.dataset.read_masks(self.band, window=part, out_shape=shape) > 0
            if self._alpha is not None:
                valid &= self.dataset.read(self._alpha, window=part, out_shape=shape) > 0
        return pixels if self._meaning is None else self._meaning[pixels], valid

    @cached_property
    def _typical(self) -> Any:
        """The camera value that stands where no data is near."""
        return np.median(self.sample).astype(self.dtype) if self.sample.size else self.dtype.type(0)

    def _choice(self, bands: Sequence[tuple[Any, int]], chosen: int | None) -> int:
        """Which of all bands it is, from 0 on."""
        kinds = [page.colorinterp[n - 1] for page, n in bands]
        texts = [page.descriptions[n - 1] or "" for page, n in bands]
        said = [text or kind.name for text, kind in zip(texts, kinds, strict=True)]
        listed = " ".join(", ".join(f"{n} ({name})" for n, name in enumerate(said, 1)).split())
        if chosen is not None:
            if 1 <= chosen <= len(bands):
                return chosen - 1
            raise NirganError(
                f"{printable_path(self.path)}: no band {chosen}; choose the near-infrared one with "
                f"--band, of the {len(bands)} that there are: {listed}"
            )
        nir = [
            kind == ColorInterp.nir or _says_nir(t) for kind, t in zip(kinds, texts, strict=True)
        ]
        says = [n for n, of_nir in enumerate(nir) if of_nir]
        seen = [n for n, kind in enumerate(kinds) if kind != ColorInterp.alpha or n in says] or [0]
        if len(seen) > 1 and len(says) == 1:
            name = " ".join(said[says[0]].split())
            self.remark = f"band {says[0] + 1} is taken, named {name}; --band takes another"
            return says[0]
        if len(seen) > 1 and not self._equal([bands[n] for n in seen]):
            raise NirganError(
                f"{printable_path(self.path)}: {len(seen)} bands that differ, expected one "
                f"near-infrared band; choose it with --band: {listed}"
            )
        return seen[0]

    def _equal(self, bands: Sequence[tuple[Any, int]]) -> bool:
        """Whether all are one page's and hold the same, by blocks."""
        page, first = bands[0]
        if any(other is not page for other, _ in bands):
            return False
        lossy = str(page.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "")).endswith("JPEG")
        with gdal_errors(f"{printable_path(self.path)}: damaged"):
            for _, part in page.block_windows(first):
                values = page.read([n for _, n in bands], window=part)
                if lossy and np.ptp(values, axis=0).max() <= LOSSY_NOISE_LEVELS:
                    continue
                if any(not np.array_equal(values[0], v, equal_nan=True) for v in values[1:]):
                    return False
        return True

    def _greys(self, kind: ColorInterp, chosen: bool) -> Pixels | None:
        """What stored numbers mean, where GDAL gives them as they are stored.

        Those of a palette of greys, of less than 8 bits, and those in which white is zero, which
        GDAL calls a palette too.
        """
        if self.dtype.kind == "c":
            raise NirganError(
                f"{printable_path(self.path)}: band {self.band} has complex values ({self.dtype}), "
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
                f"{printable_path(self.path)}: band {self.band} holds numbers of a palette or "
                "transparency, expected a near-infrared measurement; choose it with --band"
            )
        return None


def _says_nir(text: str) -> bool:
    return bool(SAYS_NIR.search(text)) and "mask" not in text.lower()


def as_window(part: Rect) -> Part:
    """A part as rasterio calls it."""
    return Part.from_slices((part.top, part.bottom), (part.left, part.right))
