"""What a data set offers: pairs of pictures of one scene, near-infrared and color.

A source is a class with typed constructor arguments and one method, `pairs`. It finds pairs and
says where each belongs; it decodes nothing until `Pair.load` is called.
"""

import hashlib
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nirgan.data.images import DTYPE_SCALE, Pixels, read_nir, read_rgb
from nirgan.data.scaling import Scale
from nirgan.errors import NirganError
from nirgan.utils.paths import expand_home


@dataclass(frozen=True)
class Pair(ABC):
    """One registered pair.

    Attributes:
        category: The kind of scene, `urban` say; patches are counted a category.
        id: Unique within its category.
        scene: Pairs that show the same place share it; a split never divides a scene.
        fold: A published fold of the pair, where its data set has one.
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

    @abstractmethod
    def content(self) -> str:
        """A hash of all that decides what `load` returns."""


@dataclass(frozen=True)
class FilePair(Pair):
    """A pair in two files.

    Attributes:
        nir: One of them.
        rgb: The other.
        nir_scale: Which values of the one are black and white.
        rgb_scale: Of the other.
    """

    nir: Path = Path()
    rgb: Path = Path()
    nir_scale: Scale = DTYPE_SCALE
    rgb_scale: Scale = DTYPE_SCALE

    def load(self) -> tuple[Pixels, Pixels]:
        """See `Pair.load`."""
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
        if scales != "dtype dtype":  # what was stored before there were any is as it was
            digest.update(scales.encode())
        return digest.hexdigest()


@cache
def _hash(path: Path, size: int, changed: int) -> bytes:
    """Of a file's content; read once while neither its size nor its date changes."""
    return hashlib.sha256(path.read_bytes()).digest()


class PairSource(ABC):
    """A data set of registered pairs.

    Attributes:
        nir_scale: Which values of its near-infrared files are black and white, as `--scale` of
            `colorize` has it; what is trained on it is used with the same.
        rgb_scale: Of its color files.
    """

    nir_scale: str = "dtype"
    rgb_scale: str = "dtype"

    @abstractmethod
    def pairs(self) -> list[Pair]:
        """All pairs, in a fixed order.

        Raises:
            NirganError: The data set is not where it should be, or incomplete.
        """


def data_root(root: Path | None, name: str) -> Path:
    """The folder of a data set.

    Args:
        root: As configured; where it is None, the data set is looked for under the data root, the
            folder in the environment variable `NIRGAN_DATA`, or `data` where that is not set.
        name: The data set's folder under the data root.

    Raises:
        NirganError: There is no such folder.
    """
    folder = expand_home(root or Path(os.environ.get("NIRGAN_DATA", "data"), name))
    if not folder.is_dir():
        how = "source.root" if root is not None else f"NIRGAN_DATA to the folder that holds {name}/"
        raise NirganError(f"{folder}: no such folder; set {how}")
    return folder
