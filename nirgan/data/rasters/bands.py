"""Bands of an open raster: their values, and which pixels are data.

A pixel may be no data by a value for that, not-a-number, a mask or an alpha band.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from nirgan.data.images import Pixels
from nirgan.errors import NirganError
from nirgan.utils.rect import Rect

SAMPLE_SIDE_PX = 1024
"""Largest height and width of the sample that stands for a whole raster."""
BAND_MARKS = {
    "red": (ColorInterp.red, re.compile(r"(?<![a-z-])red(?![\s_-]*edge|[a-z])", re.IGNORECASE)),
    "green": (ColorInterp.green, re.compile(r"(?<![a-z])green(?![a-z])", re.IGNORECASE)),
    "blue": (ColorInterp.blue, re.compile(r"(?<![a-z])blue(?![a-z])", re.IGNORECASE)),
    "nir": (
        ColorInterp.nir,
        re.compile(
            r"^(?!.*mask).*((?<![a-z])nir(?![a-z])|near[\s_-]*infra[\s_-]*red)",
            re.IGNORECASE | re.DOTALL,
        ),
    ),
}
"""By channel, GDAL's color interpretation and a pattern of names. Other infrared is not NIR."""

DataMask = npt.NDArray[np.bool_]
"""Which pixels are data, h x w."""


@contextmanager
def gdal_errors(what: str) -> Iterator[None]:
    """Report errors of GDAL in one line that begins with `what`.

    Raises:
        NirganError: In place of rasterio's errors.
    """
    try:
        yield
    except (RasterioError, UnicodeError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise NirganError(f"{what} ({reason})") from error


def open_raster(path: Path, expected: str = "GeoTIFF", page: str | None = None) -> Any:
    """Open a GeoTIFF, a page of one by GDAL's name for it, or a VRT, which its ending tells.

    Raises:
        NirganError: It is none; the message says what was expected.
    """
    # GDAL's other drivers, and names that are addresses, may access the network.
    driver = "VRT" if path.suffix.lower() == ".vrt" else "GTiff"
    with (
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        gdal_errors(f"{path}: not a readable {expected}"),
    ):
        return rasterio.open(page or path.absolute(), driver=driver)


def list_bands(bands: Sequence[tuple[str, ColorInterp]]) -> str:
    """Bands, each by its number and its name or color interpretation, in one line."""
    listed = (f"{n} ({name or kind.name})" for n, (name, kind) in enumerate(bands, 1))
    return " ".join(", ".join(listed).split())


def as_type(value: float | None, dtype: np.dtype[Any]) -> Any:
    """Convert a value to a type of pixels, integers to int; None if no pixel can equal it."""
    if value is None or not np.isfinite(value):
        return None
    if dtype.kind in "fc":
        with np.errstate(over="ignore"):
            return np.float64(value).astype(dtype)
    info = np.iinfo(dtype)
    fits = float(value).is_integer() and info.min <= value <= info.max
    return int(value) if fits else None


def is_own_mask(flags: Sequence[MaskFlags]) -> bool:
    """Whether a band's flags, of `mask_flag_enums`, are of a mask that is no alpha band."""
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def as_window(part: Rect) -> Window:
    """Convert to a window of rasterio."""
    return Window.from_slices(*part.inner)


class Bands:
    """Some bands of an open raster.

    Args:
        path: What messages call it.
        dataset: What rasterio makes of it.
        numbers: Which bands, from 1 on.

    Attributes:
        dtype: Of all values.
        masked: Whether pixels may be no data without a value that says so.
        holes: Whether any pixel may be no data.

    Raises:
        NirganError: The bands are of several types.
    """

    def __init__(self, path: Path, dataset: Any, numbers: Sequence[int]) -> None:
        self.path, self.dataset, self.numbers = path, dataset, list(numbers)
        types = sorted({dataset.dtypes[band - 1] for band in numbers})
        if len(types) > 1:
            raise NirganError(
                f"{path}: bands of several types ({', '.join(types)}), "
                "expected one; convert them first"
            )
        self.dtype: np.dtype[Any] = np.dtype(types[0])
        self._nodata = [as_type(dataset.nodatavals[band - 1], self.dtype) for band in numbers]
        self._mask = is_own_mask(dataset.mask_flag_enums[self.numbers[0] - 1])
        kinds = enumerate(dataset.colorinterp, 1)
        alphas = (n for n, kind in kinds if kind == ColorInterp.alpha and n not in self.numbers)
        self._alpha = next(alphas, None)
        self.masked = self._mask or self._alpha is not None or self.dtype.kind == "f"
        self.holes = self.masked or set(self._nodata) != {None}

    def read(self, window: Rect, shape: tuple[int, int] | None = None) -> Pixels:
        """The values of a window, bands x h x w, or scaled down to a `shape`.

        Raises:
            NirganError: It is damaged there.
        """
        size = None if shape is None else (len(self.numbers), *shape)
        with self._damage(window):
            values: Pixels = self.dataset.read(
                self.numbers, window=as_window(window), out_shape=size
            )
        return values

    def valid(self, window: Rect, values: Pixels, shape: tuple[int, int] | None = None) -> DataMask:
        """Which pixels of a window are data in all bands, h x w, given its values.

        Raises:
            NirganError: Its mask is damaged there.
        """
        valid = np.isfinite(values)
        for band, nodata in enumerate(self._nodata):
            if nodata is not None:
                valid[band] &= values[band] != nodata
        data: DataMask = np.asarray(valid.all(0))
        part: dict[str, Any] = {"window": as_window(window), "out_shape": shape}
        with self._damage(window):
            if self._mask:
                data &= self.dataset.read_masks(self.numbers[0], **part) > 0
            if self._alpha is not None:
                data &= self.dataset.read(self._alpha, **part) > 0
        return data

    def data(self, window: Rect) -> DataMask:
        """Which pixels of a window are data in all bands, h x w."""
        if not self.holes:
            return np.ones(window.shape, np.bool_)
        return self.valid(window, self.read(window))

    def read_sample(self) -> Pixels:
        """Values from everywhere, bands x N, without pixels that are no data."""
        height, width = self.dataset.shape
        step = -(-max(height, width) // SAMPLE_SIDE_PX)
        window, shape = Rect(0, 0, height, width), (-(-height // step), -(-width // step))
        values = self.read(window, shape)
        return values[:, self.valid(window, values, shape)]

    def _damage(self, window: Rect) -> Any:
        rows, columns = f"{window.top}-{window.bottom}", f"{window.left}-{window.right}"
        return gdal_errors(f"{self.path}: damaged within rows {rows}, columns {columns}")
