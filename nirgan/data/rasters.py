"""Tiles of rasters of red, green, blue and near-infrared, read from their files when asked for.

Nothing is decoded ahead: a tile is a window of a raster, and a patch is read from it when it is
drawn. GDAL keeps the blocks of a file that were read last.
"""

import hashlib
import json
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
from tqdm import tqdm

from nirgan.data.images import STORED_DTYPES, Pixels
from nirgan.data.scaling import Limits, Scale
from nirgan.data.sources.base import Footprint, Pair
from nirgan.errors import NirganError, printable_path
from nirgan.utils.atomic_write import make_folder, write_json

OPEN_FILES = 64
"""How many files a thread keeps open."""
HASHED_BYTES = 2**20
"""How much of the beginning and of the end of a file stands for its content, beside its size."""
CELL_PX = 8
"""Data are looked for in cells of this height and width; a cell with a hole is in no tile."""
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


@dataclass(frozen=True, kw_only=True)
class Tile(Pair):
    """A window of a raster as a pair.

    Attributes:
        raster: The file.
        window: Its part of it.
    """

    raster: Raster
    window: PixelWindow

    def load(self) -> tuple[Pixels, Pixels]:
        """See `Pair.load`."""
        pixels = self.in_place()[:, :]
        return pixels[..., 3], pixels[..., :3]

    def content(self) -> str:
        """See `Pair.content`."""
        return hashlib.sha256(f"{self.raster.content} {self.window}".encode()).hexdigest()

    def in_place(self) -> "TilePixels":
        """See `Pair.in_place`."""
        return TilePixels(self.raster, self.window)

    def footprint(self) -> Footprint | None:
        """See `Pair.footprint`."""
        return footprint(self.raster, self.window)


class TilePixels:
    """The pixels of a tile, H x W x 4, read from its file by slices of rows and of columns."""

    def __init__(self, raster: Raster, window: PixelWindow) -> None:
        self.raster, self.window, self.file = raster, window, raster.path
        self.shape, self.dtype = (window.height, window.width, 4), raster.stored_dtype

    def __getitem__(self, part: tuple[slice, slice]) -> Pixels:
        """Rows and columns, h x w x 4."""
        rows, columns = (p.indices(side) for p, side in zip(part, self.shape[:2], strict=True))
        top, left = self.window.top + rows[0], self.window.left + columns[0]
        window = PixelWindow(top, left, rows[1] - rows[0], columns[1] - columns[0])
        return self.raster.read(window)[:: rows[2], :: columns[2]]


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


def without_holes(
    raster: Raster, windows: Sequence[PixelWindow], least: int, cache: Path
) -> list[PixelWindow | None]:
    """The largest rectangle of data in each window of a raster; None if less than `least` pixels.

    If a raster may have holes, all of it is read once; what was found is kept in a folder.
    """
    if not raster.holes():
        return list(windows)
    what = f"{raster.content} {windows} {CELL_PX} {least}"
    file = cache / f"{hashlib.sha256(what.encode()).hexdigest()}.tiles.json"
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        told = tqdm(windows, desc=f"looking for holes in {raster.path.name}", unit="tile")
        kept = [_largest_inside(raster, window, least) for window in told]
        make_folder(cache, "set NIRGAN_CACHE")
        write_json(file, kept)
    return [window and PixelWindow(*window) for window in kept]


def _largest_inside(raster: Raster, window: PixelWindow, least: int) -> PixelWindow | None:
    top, left, height, width = window
    valid = raster.data(window)
    if valid.all():
        return window
    high, wide = height // CELL_PX, width // CELL_PX
    cells = valid[: high * CELL_PX, : wide * CELL_PX]
    cells = np.asarray(cells.reshape(high, CELL_PX, wide, CELL_PX).all((1, 3)))
    row, column, rows, columns = largest_rectangle(cells)
    if min(rows, columns) * CELL_PX < least:
        return None
    inside = (row, column, rows, columns)
    down, right, high, wide = (side * CELL_PX for side in inside)
    return PixelWindow(top + down, left + right, high, wide)


def largest_rectangle(cells: Mask) -> tuple[int, int, int, int]:
    """First row and column, height and width of the largest rectangle of true cells, H x W."""
    best, above = (0, 0, 0, 0), np.zeros(cells.shape[1], np.int64)
    for row, line in enumerate(cells):
        above = np.where(line, above + 1, 0)
        rising: list[tuple[int, int]] = []  # where rectangles begin, and how high they are
        for column, height in enumerate([*above.tolist(), 0]):
            begin = column
            while rising and rising[-1][1] >= height:
                begin, tall = rising.pop()
                if tall * (column - begin) > best[2] * best[3]:
                    best = (row - tall + 1, begin, tall, column - begin)
            rising.append((begin, height))
    return best
