"""Rasters of red, green, blue and near-infrared: their bands, values, holes and place."""

import hashlib
import os
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from nirgan.data.images import STORED_DTYPES, Pixels
from nirgan.data.scaling import Limits, Scale
from nirgan.data.sources.base import Footprint
from nirgan.errors import NirganError, printable_path

OPEN_FILES = 64
"""How many files a thread keeps open."""
HASHED_BYTES = 2**20
"""How much of the beginning and of the end of a file stands for its content, beside its size."""
SAMPLE_SIDE_PX = 1024
"""Height and width of the sample that percentiles are taken of, at most."""
SAYS_NIR = re.compile(r"(?<![a-z])nir(?![a-z])|near[\s_-]*infra[\s_-]*red", re.IGNORECASE)
"""In the name of a band. Short-wave and thermal infrared are other bands."""
MIN_OVERLAP = 1e-3
"""Part of the width and of the height of a place that another must share; neighbors touch."""
CHANNELS = {
    "red": (ColorInterp.red, re.compile(r"(?<![a-z-])red(?![\s_-]*edge|[a-z])", re.IGNORECASE)),
    "green": (ColorInterp.green, re.compile(r"(?<![a-z])green(?![a-z])", re.IGNORECASE)),
    "blue": (ColorInterp.blue, re.compile(r"(?<![a-z])blue(?![a-z])", re.IGNORECASE)),
    "nir": (ColorInterp.nir, SAYS_NIR),
}
"""What bands of each channel are to GDAL, and what their names say, which counts more."""


Mask = npt.NDArray[np.bool_]


class PixelWindow(NamedTuple):
    """A rectangle of a raster, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of_gdal(self) -> Window:
        """The same, as GDAL has it."""
        return Window(self.left, self.top, self.width, self.height)


@contextmanager
def gdal_errors(what: str) -> Iterator[None]:
    """GDAL's errors, in one line that begins with `what`.

    Raises:
        NirganError: In place of rasterio's.
    """
    try:
        yield
    except (RasterioError, UnicodeError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise NirganError(f"{what} ({reason})") from error


def as_type(value: float | None, dtype: np.dtype[Any]) -> Any:
    """A value as pixels of a type have it, integers as int; None if none can equal it."""
    if value is None or not np.isfinite(value):
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.float64(value).astype(dtype)
    info = np.iinfo(dtype)
    fits = float(value).is_integer() and info.min <= value <= info.max
    return int(value) if fits else None


def own_mask(flags: Sequence[MaskFlags]) -> bool:
    """Whether a band has a mask of its own, which is no alpha band."""
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def _open(path: Path) -> Any:
    # No other of GDAL's formats: some fetch things from addresses.
    driver = "VRT" if path.suffix.lower() == ".vrt" else "GTiff"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(path.absolute(), driver=driver)


@lru_cache(maxsize=OPEN_FILES)
def _opened(path: Path, process: int, thread: int) -> Any:
    """Open for a process and a thread, which GDAL's handles are not shared between."""
    return _open(path)


@dataclass(frozen=True)
class Raster:
    """A file with the four bands.

    Attributes:
        path: The file.
        bands: Numbers of red, green, blue and near-infrared, from 1 on.
        nir_scale: Which values of the band are black and white.
        rgb_scale: The same of the colors.
        limits: Of the colors and of the band; None where values are stored as they are.
    """

    path: Path
    bands: tuple[int, ...]
    nir_scale: Scale
    rgb_scale: Scale
    limits: tuple[Limits, Limits] | None = None

    @classmethod
    def of(
        cls, path: Path, bands: Sequence[int | str] | None, nir_scale: Scale, rgb_scale: Scale
    ) -> "Raster":
        """A raster whose bands, types and scales are known to fit, see `choose_bands`.

        Raises:
            NirganError: They do not.
        """
        raster = cls(path, choose_bands(path, bands), nir_scale, rgb_scale)
        return replace(raster, limits=raster._find_limits())

    @property
    def dataset(self) -> Any:
        """The file, open.

        Raises:
            NirganError: It cannot be read.
        """
        with gdal_errors(f"{printable_path(self.path)}: not a readable GeoTIFF or VRT"):
            return _opened(self.path, os.getpid(), threading.get_ident())

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.dataset.shape
        return height, width

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Of its values.

        Raises:
            NirganError: Bands are of several types.
        """
        kinds = sorted({self.dataset.dtypes[band - 1] for band in self.bands})
        if len(kinds) > 1:
            raise NirganError(
                f"{printable_path(self.path)}: bands of several types ({', '.join(kinds)}), "
                "expected one; convert them first"
            )
        kind: np.dtype[Any] = np.dtype(kinds[0])
        return kind

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        """Of what `read` gives."""
        scaled = np.dtype(np.float32 if self.dtype.kind == "f" else np.uint16)
        kind: np.dtype[Any] = self.dtype if self.limits is None else scaled
        return kind

    def _find_limits(self) -> tuple[Limits, Limits] | None:
        scales = (self.rgb_scale, self.nir_scale)
        plain = [scale for scale in scales if scale.kind == "dtype"]
        if plain and self.dtype not in STORED_DTYPES:
            raise NirganError(
                f"{printable_path(self.path)}: values of type {self.dtype}, expected uint8, "
                f"uint16, or floats in [0, 1]; {plain[0].option} LOW,HIGH scales others"
            )
        if len(plain) == 2 and self.dtype.kind == "u":
            return None
        some: list[Pixels] = [np.zeros(0, self.dtype)] * 2  # enough where a scale names values
        if self.dtype.kind == "f" or any(scale.kind == "percentile" for scale in scales):
            step = -(-max(self.shape) // SAMPLE_SIDE_PX)
            shape = -(-self.shape[0] // step), -(-self.shape[1] // step)
            with gdal_errors(f"{printable_path(self.path)}: damaged"):
                sample = self.dataset.read(self.bands, out_shape=(4, *shape))
            valid = self._are_data(sample).all(0)
            some = [sample[:3, valid], sample[3, valid]]
        colors, band = (s.limits(part, self.path) for s, part in zip(scales, some, strict=True))
        return colors, band

    @cached_property
    def content(self) -> str:
        """A hash of what determines the pixels: of a large file, its size and its two ends."""
        digest = hashlib.sha256(f"{self.bands} {self.nir_scale} {self.rgb_scale}".encode())
        for name in sorted(self.dataset.files):  # of a VRT, those that it is made of
            try:
                with Path(name).open("rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    digest.update(f"{size} ".encode() + file.read(HASHED_BYTES))
                    file.seek(max(size - HASHED_BYTES, 0))
                    digest.update(file.read())
            except OSError as error:
                raise NirganError(f"{name}: cannot be read ({error.strerror})") from error
        return digest.hexdigest()

    @cached_property
    def grid(self) -> tuple[str, float, float, float, float]:
        """Where it lies: reference system, place of its first pixel, and size of a pixel.

        Of a raster that does not say, or that is turned, the reference system is its own.
        """
        with gdal_errors(f"{printable_path(self.path)}: not a readable GeoTIFF or VRT"):
            t, crs = self.dataset.transform, self.dataset.crs
        if not crs or t.b or t.d:
            return str(self.path), 0.0, 0.0, 1.0, 1.0
        return crs.to_string(), t.c, t.f, t.a, t.e

    def read(self, window: PixelWindow) -> Pixels:
        """A window, h x w x 4 (red, green, blue, NIR), as stored: uint8, uint16 or float32.

        Raises:
            NirganError: It is damaged there.
        """
        values = self._values(window)
        if self.limits is not None:
            stored = [
                limits.to_stored(part)
                for limits, part in zip(self.limits, (values[:3], values[3:]), strict=True)
            ]
            values = np.concatenate(stored)
        return np.ascontiguousarray(np.moveaxis(values, 0, 2))

    def holes(self) -> bool:
        """Whether any of its pixels may be no data."""
        return self.dtype.kind == "f" or self._mask is not None or set(self._no_data) != {None}

    def data(self, window: PixelWindow) -> Mask:
        """Which pixels of a window are data in all four bands, h x w."""
        valid: Mask = np.asarray(self._are_data(self._values(window)).all(0))
        if self._mask is not None:
            with gdal_errors(f"{printable_path(self.path)}: damaged mask"):
                part = window.of_gdal()
                if self._mask:
                    valid &= self.dataset.read(self._mask, window=part) > 0
                else:
                    valid &= self.dataset.read_masks(1, window=part) > 0
        return valid

    def _values(self, window: PixelWindow) -> Pixels:
        rows = f"{window.top}-{window.top + window.height}"
        with gdal_errors(f"{printable_path(self.path)}: damaged within rows {rows}"):
            values: Pixels = self.dataset.read(self.bands, window=window.of_gdal())
        return values

    @cached_property
    def _no_data(self) -> tuple[Any, ...]:
        said = self.dataset.nodatavals
        return tuple(as_type(said[band - 1], self.dtype) for band in self.bands)

    @cached_property
    def _mask(self) -> int | None:
        """The number of a band that is transparency; 0: a mask of its own; None: neither."""
        kinds = enumerate(self.dataset.colorinterp, 1)
        alpha = [n for n, kind in kinds if kind == ColorInterp.alpha and n not in self.bands]
        if alpha:
            return alpha[0]
        return 0 if own_mask(self.dataset.mask_flag_enums[self.bands[0] - 1]) else None

    def _are_data(self, values: Pixels) -> Mask:
        """Which values are data, 4 x h x w, but for the mask."""
        valid = np.isfinite(values)
        for number, said in enumerate(self._no_data):
            if said is not None:
                valid[number] &= values[number] != said
        return valid


def footprint(raster: Raster, window: PixelWindow) -> Footprint | None:
    """Where a window lies on the ground; None where its file does not say."""
    if not raster.dataset.crs:
        return None
    top, left, height, width = window
    t, corners = raster.dataset.transform, product((left, left + width), (top, top + height))
    x, y = zip(
        *((t.c + t.a * c + t.b * r, t.f + t.d * c + t.e * r) for c, r in corners), strict=True
    )
    return Footprint(raster.dataset.crs.to_string(), (min(x), min(y), max(x), max(y)))


def overlaps(
    some: Sequence[Footprint | None], others: Sequence[Footprint | None]
) -> Iterator[Mask]:
    """Which of some places share ground with which of others: a row of N booleans for each.

    Places that are not known share none.
    """
    system = next((place.system for place in (*some, *others) if place), "")
    mine, theirs = _bounds(some, system), _bounds(others, system)
    least = MIN_OVERLAP * (theirs[:, 2:] - theirs[:, :2])
    for place in mine:
        shared = np.minimum(place[2:], theirs[:, 2:]) - np.maximum(place[:2], theirs[:, :2])
        yield np.asarray((shared > least).all(1))


def _bounds(places: Sequence[Footprint | None], system: str) -> npt.NDArray[np.float64]:
    """N x 4, left, bottom, right, top, in a reference system; nan where they are not known."""
    bounds = [
        (np.nan,) * 4
        if place is None
        else place.bounds
        if place.system == system
        else transform_bounds(place.system, system, *place.bounds)
        for place in places
    ]
    return np.array(bounds, np.float64).reshape(-1, 4)


def choose_bands(path: Path, bands: Sequence[int | str] | None) -> tuple[int, ...]:
    """The numbers of red, green, blue and near-infrared, from 1 on.

    Args:
        path: A GeoTIFF or a VRT.
        bands: Their numbers or names in that order; None: those that say that they are.

    Raises:
        NirganError: It cannot be read, or has no such bands; those that it has are listed.
    """
    with (
        gdal_errors(f"{printable_path(path)}: not a readable GeoTIFF or VRT"),
        _open(path) as dataset,
    ):
        names = [text or "" for text in dataset.descriptions]
        kinds = list(dataset.colorinterp)
    said = [name or kind.name for name, kind in zip(names, kinds, strict=True)]
    listed = " ".join(", ".join(f"{n} ({name})" for n, name in enumerate(said, 1)).split())
    chosen: list[int] = []
    for number, (channel, (kind, word)) in enumerate(CHANNELS.items()):
        if bands is not None:
            wanted = bands[number]
            named = [n for n, name in enumerate(names, 1) if name == wanted]
            found = named if isinstance(wanted, str) else [wanted]
        else:
            wanted = channel
            found = [n for n, name in enumerate(names, 1) if word.search(name)]
            found = found or [n for n, k in enumerate(kinds, 1) if k == kind]
        if len(found) != 1 or found[0] in chosen or not 1 <= found[0] <= len(kinds):
            raise NirganError(
                f"{printable_path(path)}: {'no' if not found else 'not one'} band {wanted}, of the "
                f"{len(kinds)} that there are: {listed}; say which are red, green, blue and "
                "near-infrared with source.bands, for instance [1, 2, 3, 4]"
            )
        chosen += found
    return tuple(chosen)
