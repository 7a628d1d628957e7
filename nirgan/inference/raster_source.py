"""One band of a GeoTIFF, by windows, without the holes.

Some pixels of rasters are no data: a value says so, not-a-number, a mask, an alpha band. A network
that saw them as black would draw that black into its surroundings, so it is shown the nearest pixel
that is data instead.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window as Part

from nirgan.data.images import Pixels
from nirgan.errors import NirganError, named
from nirgan.inference.tiles import Window

FAR = 64
"""Pixels: holes are filled from no further away, so that every window fills them alike."""
SAMPLE = 1024
"""Height and width of the sample that stands for the whole raster, at most."""


@contextmanager
def explained(what: str) -> Iterator[None]:
    """GDAL's errors, in one line that begins with `what`.

    Raises:
        NirganError: In place of rasterio's.
    """
    try:
        yield
    except (RasterioError, UnicodeError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise NirganError(f"{what} ({reason})") from error


class Source:
    """A band of a TIFF, open for reading. Use it in a `with` statement.

    Args:
        path: The file.
        band: Its number, from 1 on.

    Attributes:
        dataset: What rasterio makes of the file.

    Raises:
        NirganError: It cannot be read, has no such band, or a band that is no measurement.
    """

    def __init__(self, path: Path, band: int) -> None:
        self.path, self.band = path, band
        with explained(f"{named(path)}: not a readable GeoTIFF"):
            # No other of GDAL's formats, and no name that could be an address: some fetch things.
            self.dataset = rasterio.open(path.absolute(), driver="GTiff")
        try:
            self._check()
        except NirganError:
            self.dataset.close()
            raise
        interpretations = self.dataset.colorinterp
        flags = self.dataset.mask_flag_enums[band - 1]
        self._alpha: int | None = None
        if ColorInterp.alpha in interpretations:
            self._alpha = interpretations.index(ColorInterp.alpha) + 1
        self._mask = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
        self._nodata = _as_type(self.dataset.nodatavals[band - 1], self.dtype)

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.dataset.close()

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.dataset.height)

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.dataset.width)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the band."""
        dtype: np.dtype[Any] = np.dtype(self.dataset.dtypes[self.band - 1])
        return dtype

    @property
    def nodata(self) -> float | None:
        """The value that says that a pixel is no data, if there is one."""
        value = self.dataset.nodatavals[self.band - 1]
        return None if value is None else float(value)

    @property
    def masked(self) -> bool:
        """Whether pixels may be no data without a value that says so."""
        return self._mask or self._alpha is not None or self.dtype.kind == "f"

    @cached_property
    def sample(self) -> Pixels:
        """Camera values from everywhere, one dimension, without those that are no data."""
        step = -(-max(self.height, self.width) // SAMPLE)
        shape = -(-self.height // step), -(-self.width // step)
        pixels, valid = self._read(Window(0, 0, self.height, self.width), shape)
        return pixels[valid]

    def filled(self, window: Window) -> Pixels:
        """Camera values, h x w; where there is no data, those of the nearest pixel that is."""
        pixels, valid = self._read(window)
        if valid.all():
            return pixels
        top, left = max(window.top - FAR, 0), max(window.left - FAR, 0)
        bottom, right = window.bottom + FAR, window.right + FAR
        around = Window(top, left, min(bottom, self.height), min(right, self.width))
        return fill(*self._read(around), self._typical)[
            window.top - top : window.bottom - top, window.left - left : window.right - left
        ]

    def valid(self, window: Window) -> npt.NDArray[np.bool_]:
        """Which pixels are data, h x w."""
        if not self.masked and self._nodata is None:
            return np.ones((window.bottom - window.top, window.right - window.left), np.bool_)
        return self._read(window)[1]

    def _read(
        self, window: Window, shape: tuple[int, int] | None = None
    ) -> tuple[Pixels, npt.NDArray[np.bool_]]:
        """Camera values, and which of them are data, both h x w or `shape`."""
        part = Part.from_slices((window.top, window.bottom), (window.left, window.right))
        rows, columns = f"{window.top}-{window.bottom}", f"{window.left}-{window.right}"
        with explained(f"{named(self.path)}: damaged within rows {rows}, columns {columns}"):
            pixels = self.dataset.read(self.band, window=part, out_shape=shape)
            valid = np.isfinite(pixels)
            if self._nodata is not None:
                valid &= pixels != self._nodata
            if self._mask:
                valid &= self.dataset.read_masks(self.band, window=part, out_shape=shape) > 0
            if self._alpha is not None:
                valid &= self.dataset.read(self._alpha, window=part, out_shape=shape) > 0
        return pixels, valid

    @cached_property
    def _typical(self) -> Any:
        """The camera value that stands where no data is near."""
        return np.median(self.sample).astype(self.dtype) if self.sample.size else self.dtype.type(0)

    def _check(self) -> None:
        count = self.dataset.count
        if not 1 <= self.band <= count:
            names = [
                f"{number} ({text or kind.name})"
                for number, (text, kind) in enumerate(
                    zip(self.dataset.descriptions, self.dataset.colorinterp, strict=True), 1
                )
            ]
            raise NirganError(
                f"{named(self.path)}: no band {self.band}; choose the near-infrared one with "
                f"--band, of the {count} that there are: {' '.join(', '.join(names).split())}"
            )
        if self.dtype.kind == "c":
            raise NirganError(
                f"{named(self.path)}: band {self.band} has complex values ({self.dtype}), expected "
                "integers or floats; write its magnitude into a file first"
            )
        if self.dataset.colorinterp[self.band - 1] in (ColorInterp.palette, ColorInterp.alpha):
            raise NirganError(
                f"{named(self.path)}: band {self.band} holds numbers of a palette or transparency, "
                "expected a near-infrared measurement; choose it with --band"
            )


def fill(pixels: Pixels, valid: npt.NDArray[np.bool_], far: Any) -> Pixels:
    """Replace what is no data by the nearest value that is.

    Args:
        pixels: H x W.
        valid: H x W, which pixels are data.
        far: The value where no data lies within `FAR`.
    """
    if not valid.any():
        return np.full_like(pixels, far)
    # Distances are sums of steps of a 5 x 5 mask, so that what lies further away has no influence.
    distances, labels = cv2.distanceTransformWithLabels(
        (~valid).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = np.zeros(int(labels.max()) + 1, pixels.dtype)
    values[labels[valid]] = pixels[valid]
    filled: Pixels = values[labels]
    filled[distances > FAR] = far
    return filled


def _as_type(value: float | None, dtype: np.dtype[Any]) -> Any:
    """A value as pixels of a type have it; None if none can equal it."""
    if value is None or not np.isfinite(value):
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.float64(value).astype(dtype)
    info = np.iinfo(dtype)
    fits = float(value).is_integer() and info.min <= value <= info.max
    return dtype.type(int(value)) if fits else None
