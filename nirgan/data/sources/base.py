"""The base classes of data sets of registered pairs, near-infrared and color.

A source is a class with typed constructor arguments and one method, `pairs`, which finds the pairs
and their categories, scenes and folds. Nothing is decoded until `Pair.load` is called.
"""

import gc
import hashlib
import os
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from nirgan.data.images import DTYPE_SCALE, STORED_DTYPES, Pixels, read_nir, read_rgb, read_rgbn
from nirgan.data.scaling import Scale
from nirgan.errors import NirganError
from nirgan.utils.paths import expand_home

SETTLED_AFTER_NS = 2_000_000_000
"""How long a file is left alone before its date and size stand for its content; the dates of some
file systems are no finer."""


class PixelsInPlace(Protocol):
    """Pixels that are read from their file as they are asked for, H x W x 4, as stored."""

    file: Path
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]

    def __getitem__(self, part: tuple[slice, slice]) -> Pixels:
        """Rows and columns, h x w x 4."""


class Footprint(NamedTuple):
    """Where a pair lies on the ground: left, bottom, right and top in a reference system.

    Messages name the file.
    """

    system: str
    bounds: tuple[float, float, float, float]
    file: str = ""


@dataclass(frozen=True)
class Pair(ABC):
    """One registered pair.

    Attributes:
        category: The kind of scene, `urban` for instance; patches are counted per category.
        id: Unique within its category.
        scene: Equal for pairs that show the same place; `across-scenes` never divides a scene.
        fold: The published fold of the pair, if its data set has one.
    """

    category: str
    id: str
    scene: str
    fold: int | None = None

    @property
    def name(self) -> str:
        """Category and id, unique within a source."""
        return f"{self.category}/{self.id}"

    @abstractmethod
    def load(self) -> tuple[Pixels, Pixels]:
        """Decode the pair.

        Returns:
            NIR H x W and RGB H x W x 3, each uint8, uint16, or float32 in [0, 1].

        Raises:
            NirganError: One of the two cannot be used, or they differ in size.
        """

    def loaded(self) -> tuple[Pixels, Pixels]:
        """What `load` returns.

        Raises:
            NirganError: As `load`, or it returns something else than it promises.
        """
        nir, rgb = self.load()
        if nir.ndim != 2 or rgb.shape != (*nir.shape, 3):
            raise NirganError(
                f"{self.name}: load gives NIR {nir.shape} and RGB {rgb.shape}, expected H x W and "
                "H x W x 3"
            )
        for band, pixels in (("NIR", nir), ("RGB", rgb)):
            if pixels.dtype not in STORED_DTYPES:
                got = str(pixels.dtype)
            elif pixels.dtype == np.float32 and not (pixels.min() >= 0 and pixels.max() <= 1):
                got = f"float32 from {pixels.min():.3g} to {pixels.max():.3g}"
            else:
                continue
            raise NirganError(
                f"{self.name}: load gives {band} as {got}, expected uint8, uint16, or float32 in "
                "[0, 1]"
            )
        return nir, rgb

    @abstractmethod
    def content(self) -> str:
        """A hash of everything that determines what `load` returns."""

    def stamp(self) -> str | None:
        """A text that changes with `content`, found without reading files; None: there is none.

        A store computes `content` anew only where this has changed.
        """
        return None

    def in_place(self) -> PixelsInPlace | None:
        """What `load` returns, read by parts from its file; None: to be decoded into the store."""
        return None

    def footprint(self) -> Footprint | None:
        """Where it lies on the ground, to keep training and validation apart; None: not known."""
        return None


@dataclass(frozen=True)
class FilePair(Pair):
    """A pair in two files, or in one of four channels, and which values are black and white.

    Of a hundred thousand pairs, paths as text take less time and memory.
    """

    nir: Path | str = ""
    rgb: Path | str = ""
    nir_scale: Scale = DTYPE_SCALE
    rgb_scale: Scale = DTYPE_SCALE

    def load(self) -> tuple[Pixels, Pixels]:
        """See `Pair.load`."""
        files = Path(self.nir), Path(self.rgb)
        if files[0] == files[1]:
            return read_rgbn(files[0], self.nir_scale, self.rgb_scale)
        nir, rgb = read_nir(files[0], self.nir_scale), read_rgb(files[1], self.rgb_scale)
        if nir.shape != rgb.shape[:2]:
            raise NirganError(
                f"{self.nir}: {nir.shape[1]}x{nir.shape[0]} pixels, but {files[1].name} has "
                f"{rgb.shape[1]}x{rgb.shape[0]}; a pair must be registered and of one size"
            )
        return nir, rgb

    def content(self) -> str:
        """See `Pair.content`."""
        digest = hashlib.sha256()
        for path in (self.nir, self.rgb):
            try:
                digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
            except OSError as error:
                raise NirganError(f"{path}: cannot be read ({error.strerror})") from error
        digest.update(self._scales().encode())
        return digest.hexdigest()

    def stamp(self) -> str | None:
        """See `Pair.stamp`; None, too, if a file was changed within `SETTLED_AFTER_NS`."""
        try:
            states = [os.stat(self.nir), os.stat(self.rgb)]  # noqa: PTH116 (half of the time)
        except OSError:
            return None
        if time.time_ns() - max(state.st_ctime_ns for state in states) < SETTLED_AFTER_NS:
            return None
        return self._scales() + "".join(
            f" {s.st_dev} {s.st_ino} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}" for s in states
        )

    def _scales(self) -> str:
        return f"{self.nir_scale} {self.rgb_scale}"


class PairSource(ABC):
    """A data set of registered pairs.

    Attributes:
        nir_scale: Which values of its near-infrared files are black and white, as `--scale` of
            `colorize`; models that are trained on it use the same.
        rgb_scale: The same of its color files.
    """

    nir_scale: str = "dtype"
    rgb_scale: str = "dtype"

    @abstractmethod
    def pairs(self) -> list[Pair]:
        """All pairs, in a fixed order.

        Raises:
            NirganError: The data set is not where it should be, or incomplete.
        """

    def pairs_with(self, cache: Path | None) -> list[Pair]:
        """As `pairs`, for a source that keeps what it measures of its files in a folder.

        None: the store's usual one. The data module calls it with its own.
        """
        return self.pairs()


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause garbage collection while many long-lived objects are created."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@gc_paused()
def pairs_of(source: PairSource, cache: Path | None = None) -> list[Pair]:
    """All pairs of a source, see `PairSource.pairs_with`.

    Raises:
        NirganError: There are none, or two of one name.
    """
    pairs = source.pairs_with(cache)
    if not pairs:
        given = ", ".join(f"{key}={value}" for key, value in vars(source).items())
        raise NirganError(
            f"source: {type(source).__name__} has no pairs ({given}); check its folder "
            "and categories"
        )
    for name, count in Counter(pair.name for pair in pairs).items():
        if count > 1:
            raise NirganError(
                f"source: {count} pairs are called {name}; an id is unique within its category"
            )
    return pairs


def data_root(root: Path | None, name: str, remedy: str = "") -> Path:
    """The folder of a data set: the configured one, or `name` in the data root.

    The data root is the environment variable `NIRGAN_DATA`, or `data` if that is not set.

    Raises:
        NirganError: There is no such folder; the message ends with the remedy.
    """
    folder = expand_home(root or Path(os.environ.get("NIRGAN_DATA", "data"), name))
    if not folder.is_dir():
        how = "source.root" if root is not None else f"NIRGAN_DATA to the folder that holds {name}/"
        raise NirganError(f"{folder}: no such folder; set {how}{remedy}")
    return folder
