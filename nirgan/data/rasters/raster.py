"""Rasters of red, green, blue and near-infrared, scaled for training, and their place."""

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rasterio.transform import array_bounds
from rasterio.warp import transform_bounds

from nirgan.data.images import Pixels, check_type
from nirgan.data.rasters.bands import BAND_MARKS, Bands, as_window, list_bands, open_raster
from nirgan.data.scaling import Limits, Scale
from nirgan.data.sources.base import Footprint
from nirgan.data.store import State, file_state
from nirgan.errors import NirganError
from nirgan.utils.rect import Rect

KINDS = "GeoTIFF or VRT"
OPEN_FILES = 64
"""How many files a process keeps open; each thread opens its own."""
HASHED_BYTES = 2**20
"""Bytes at both ends of a file that are hashed, with its size, in place of all."""
MIN_OVERLAP = 1e-3
"""Fraction of width and height that two places must share to overlap; neighbors only touch."""


@lru_cache(maxsize=OPEN_FILES)
def _open_bands(
    path: Path, numbers: tuple[int, ...], states: tuple[State, ...], process: int, thread: int
) -> Bands:
    """Open for a process and a thread, which GDAL's handles are not shared between.

    And anew for a raster whose files have changed since.
    """
    return Bands(path, open_raster(path, KINDS), numbers)


class Raster:
    """A file with the four bands, read in place.

    Args:
        path: The file.
        bands: Numbers or names of the bands, see `choose_bands`.
        nir_scale: Which values of the band are black and white.
        rgb_scale: The same of the colors.

    Attributes:
        numbers: Those of the red, green, blue and near-infrared band, from 1 on.
        shape: Height and width in pixels.
        limits: Of the colors and of the band; None where values are stored as they are.
        dtype: Of what `read` gives.
        grid: Where it lies: reference system, place of its first pixel, and size of a pixel, x and
            y. Of a raster that does not say, or that is turned, the reference system is its own.

    Raises:
        NirganError: It cannot be read, has no such bands, or values that do not go with a scale.
    """

    def __init__(
        self, path: Path, bands: Sequence[int | str] | None, nir_scale: Scale, rgb_scale: Scale
    ) -> None:
        self.path, self.numbers = path, choose_bands(path, bands)
        self._scales = {"rgb": rgb_scale, "nir": nir_scale}
        self._files = [path]
        self._opened = self._states()
        self._files = [Path(name) for name in self.bands.dataset.files]  # a VRT is made of others
        self._opened = self._states()
        self._hashed: tuple[tuple[State, ...], str] = ((), "")
        dataset, kind = self.bands.dataset, self.bands.dtype
        self.shape: tuple[int, int] = dataset.shape
        self.limits = self._find_limits(rgb_scale, nir_scale)
        scaled = np.dtype(np.float32 if kind.kind == "f" else np.uint16)
        self.dtype = kind if self.limits is None else scaled
        t, system = dataset.transform, dataset.crs
        unknown = not system or t.b or t.d
        self.grid: tuple[str, float, float, float, float] = (
            (str(path), 0.0, 0.0, 1.0, 1.0) if unknown else (system.to_string(), t.c, t.f, t.a, t.e)
        )

    @property
    def bands(self) -> Bands:
        """The bands, open."""
        process, thread = os.getpid(), threading.get_ident()
        return _open_bands(self.path, self.numbers, self._opened, process, thread)

    def _states(self) -> tuple[State, ...]:
        return tuple(map(file_state, self._files))

    def _find_limits(self, rgb: Scale, nir: Scale) -> tuple[Limits, Limits] | None:
        kind, kinds = self.bands.dtype, {rgb.kind, nir.kind}
        for scale in (rgb, nir):
            check_type(kind, scale, self.path)
        if kinds == {"dtype"} and kind.kind == "u":
            return None
        some = np.zeros((4, 0), kind)  # enough where a scale names values
        if kind.kind == "f" or "percentile" in kinds:
            some = self.bands.read_sample()
        return rgb.limits(some[:3], self.path), nir.limits(some[3], self.path)

    @property
    def content(self) -> str:
        """A hash of what determines the pixels: of a large file, its size and its two ends."""
        if (states := self._states()) != self._hashed[0]:
            self._hashed = states, self._hash()
        return self._hashed[1]

    def _hash(self) -> str:
        what = f"{self.numbers} {self._scales['nir']} {self._scales['rgb']}"
        digest = hashlib.sha256(what.encode())
        for name in sorted(self.bands.dataset.files):
            try:
                with Path(name).open("rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    digest.update(f"{size} ".encode() + file.read(HASHED_BYTES))
                    file.seek(max(size - HASHED_BYTES, 0))
                    digest.update(file.read())
            except OSError as error:
                raise NirganError(f"{name}: cannot be read ({error.strerror})") from error
        return digest.hexdigest()

    def read(self, window: Rect) -> Pixels:
        """A window, h x w x 4 (red, green, blue, NIR), as stored: uint8, uint16 or float32.

        Raises:
            NirganError: It is damaged there.
        """
        values = self.bands.read(window)
        if self.limits is not None:
            rgb, nir = self.limits
            values = np.concatenate([rgb.to_stored(values[:3]), nir.to_stored(values[3:])])
        return np.ascontiguousarray(np.moveaxis(values, 0, 2))

    def footprint(self, window: Rect) -> Footprint | None:
        """Where a window lies on the ground; None where the file does not say."""
        dataset = self.bands.dataset
        if not dataset.crs:
            return None
        place = dataset.window_transform(as_window(window))
        x, bottom, right, y = array_bounds(*window.shape, place)
        bounds = min(x, right), min(bottom, y), max(x, right), max(bottom, y)
        return Footprint(dataset.crs.to_string(), bounds, str(self.path))


def overlaps(
    some: Sequence[Footprint | None], others: Sequence[Footprint | None]
) -> Iterator[npt.NDArray[np.bool_]]:
    """Which of some places share ground with which of others: a row of N booleans for each.

    Places that are not known share none.

    Raises:
        NirganError: Their reference systems do not convert into each other.
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
        else _converted(place, system)
        for place in places
    ]
    return np.array(bounds, np.float64).reshape(-1, 4)


def _converted(place: Footprint, system: str) -> tuple[float, ...]:
    try:
        return tuple(transform_bounds(place.system, system, *place.bounds))
    except Exception as error:  # of GDAL's own kinds, which rasterio keeps private
        raise NirganError(
            f"{place.file}: {place.system} does not convert to {system}, the reference system of "
            "another raster; reproject one of them, or leave it out"
        ) from error


def choose_bands(path: Path, bands: Sequence[int | str] | None) -> tuple[int, ...]:
    """The numbers of red, green, blue and near-infrared, from 1 on.

    Args:
        path: A GeoTIFF or a VRT.
        bands: Their numbers or names in that order; None: those that say that they are, by their
            names or else by their color interpretation.

    Raises:
        NirganError: It cannot be read, or has no such bands; those that it has are listed.
    """
    with open_raster(path, KINDS) as dataset:
        names = [text or "" for text in dataset.descriptions]
        kinds = list(dataset.colorinterp)
    chosen: list[int] = []
    for wanted, (kind, word) in zip(bands or BAND_MARKS, BAND_MARKS.values(), strict=True):
        if bands is None:
            found = [n for n, name in enumerate(names, 1) if word.search(name)]
            found = found or [n for n, k in enumerate(kinds, 1) if k == kind]
        elif isinstance(wanted, str):
            found = [n for n, name in enumerate(names, 1) if name == wanted]
        else:
            found = [wanted] if 1 <= wanted <= len(kinds) else []
        if len(found) != 1 or found[0] in chosen:
            problem = "more than one" if found[1:] else "a second time" if found else "no"
            listed = list_bands(list(zip(names, kinds, strict=True)))
            raise NirganError(
                f"{path}: {problem} band {wanted}, of the {len(kinds)} that there are: {listed}; "
                "say which are red, green, blue and near-infrared with source.bands, for instance "
                "[1, 2, 3, 4]"
            )
        chosen += found
    return tuple(chosen)
