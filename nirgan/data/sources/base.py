"""The base classes of data sets of registered pairs, near-infrared and color.

A source is a class with typed constructor arguments and one method, `pairs`, which finds the pairs
and their categories, scenes and folds. Nothing is decoded until `Pair.load` is called.
"""

import hashlib
import os
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from nirgan.data.images import DTYPE_SCALE, STORED_DTYPES, Pixels, read_nir, read_rgb, read_rgbn
from nirgan.data.scaling import Scale
from nirgan.errors import NirganError
from nirgan.utils.paths import expand_home


class PixelsInPlace(Protocol):
    """Pixels that are read from their file as they are asked for, H x W x 4, as stored."""

    file: Path
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]

    def __getitem__(self, part: tuple[slice, slice]) -> Pixels:
        """Rows and columns, h x w x 4."""


class Footprint(NamedTuple):
    """Where a pair lies on the ground: left, bottom, right and top in a reference system."""

    system: str
    bounds: tuple[float, float, float, float]


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

    def in_place(self) -> PixelsInPlace | None:
        """What `load` returns, read by parts from its file; None: to be decoded into the store."""
        return None

    def footprint(self) -> Footprint | None:
        """Where it lies on the ground; None: not known. Nothing is judged where it is learned."""
        return None


@dataclass(frozen=True)
class FilePair(Pair):
    """A pair in two files, or in one of four channels, and which values are black and white."""

    nir: Path = Path()
    rgb: Path = Path()
    nir_scale: Scale = DTYPE_SCALE
    rgb_scale: Scale = DTYPE_SCALE

    def load(self) -> tuple[Pixels, Pixels]:
        """See `Pair.load`."""
        if self.nir == self.rgb:
            return read_rgbn(self.nir, self.nir_scale, self.rgb_scale)
        nir, rgb = read_nir(self.nir, self.nir_scale), read_rgb(self.rgb, self.rgb_scale)
        if nir.shape != rgb.shape[:2]:
            raise NirganError(
                f"{self.nir}: {nir.shape[1]}x{nir.shape[0]} pixels, but {self.rgb.name} has "
                f"{rgb.shape[1]}x{rgb.shape[0]}; a pair must be registered and of one size"
            )
        return nir, rgb

    def content(self) -> str:
        """See `Pair.content`."""
        digest = hashlib.sha256()
        for path in (self.nir, self.rgb):
            try:
                state = path.stat()
                digest.update(_hash(path, state.st_size, state.st_mtime_ns))
            except OSError as error:
                raise NirganError(f"{path}: cannot be read ({error.strerror})") from error
        scales = f"{self.nir_scale} {self.rgb_scale}"
        if scales != "dtype dtype":  # keeps the hashes of the time before scales
            digest.update(scales.encode())
        return digest.hexdigest()


@cache
def _hash(path: Path, size: int, changed: int) -> bytes:
    """Hash the content of a file; cached while its size and date do not change."""
    return hashlib.sha256(path.read_bytes()).digest()


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


def pairs_of(source: PairSource) -> list[Pair]:
    """All pairs of a source.

    Raises:
        NirganError: There are none, or two of one name.
    """
    pairs = source.pairs()
    if not pairs:
        raise NirganError("source: it has no pairs; check its folder and categories")
    for name, count in Counter(pair.name for pair in pairs).items():
        if count > 1:
            raise NirganError(
                f"source: {count} pairs are called {name}; an id is unique within its category"
            )
    return pairs


def data_root(root: Path | None, name: str) -> Path:
    """The folder of a data set: the configured one, or `name` in the data root.

    The data root is the environment variable `NIRGAN_DATA`, or `data` if that is not set.

    Raises:
        NirganError: There is no such folder.
    """
    folder = expand_home(root or Path(os.environ.get("NIRGAN_DATA", "data"), name))
    if not folder.is_dir():
        how = "source.root" if root is not None else f"NIRGAN_DATA to the folder that holds {name}/"
        raise NirganError(f"{folder}: no such folder; set {how}")
    return folder
