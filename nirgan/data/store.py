"""Pairs, decoded once, as memory-mapped arrays.

A stored pair is one `.npy` file, H x W x 4 (red, green, blue, NIR), named after the content of the
files it came from. A changed picture gets a new name, so nothing stale is ever read; categories,
folds and experiments share what they have in common. A file is written beside its place and renamed
when whole: a build that is killed leaves nothing half-made, and two builds at once do no harm.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from nirgan.data.images import Pixels, as_depth
from nirgan.data.sources.base import Pair
from nirgan.errors import NirganError
from nirgan.utils.paths import expand_home

FORMAT_VERSION = 1
"""Raise it when what a stored file holds changes: older files are then left alone."""

ABANDONED_AFTER_S = 3600
"""Seconds after which an unfinished file belongs to a build that was killed."""

READ_ERRORS = (OSError, ValueError, EOFError)
"""What numpy raises for a file that is missing, cut short or none of its own."""


def default_folder() -> Path:
    """The environment variable `NIRGAN_CACHE`, or the user's cache folder."""
    cache = os.environ.get("NIRGAN_CACHE")
    return expand_home(cache or "~/.cache/nirgan")


class PairStore:
    """Decoded pairs in a folder.

    Args:
        folder: Where the files lie; `default_folder()` if None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = default_folder() if folder is None else expand_home(folder)

    def file(self, pair: Pair) -> Path:
        """Where the pair lies, or will lie."""
        return self.folder / f"{pair.content()}.v{FORMAT_VERSION}.npy"

    def build(self, pairs: Sequence[Pair]) -> None:
        """Decode and store every pair that is not there whole, but for those that cannot be."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NirganError(
                f"{self.folder}: the store cannot be made there ({error.strerror}); "
                "set data.store or NIRGAN_CACHE"
            ) from error
        self._sweep()
        missing = [(pair, file) for pair in pairs if _mapped(file := self._place(pair)) is None]
        for pair, file in tqdm(missing, desc="decoding pairs", unit="pair", disable=not missing):
            try:
                nir, rgb = pair.load()
            except NirganError:
                continue  # `problem` names it, on every rank alike
            self._write(file, stack(nir, rgb))

    def problem(self, pair: Pair, height: int, width: int) -> str | None:
        """Why a pair cannot be used, in one line that names the file; or None.

        Args:
            pair: Any.
            height: The least that is needed, in pixels.
            width: The same.
        """
        pixels = _mapped(self._place(pair))
        if pixels is None:
            try:
                pair.load()
            except NirganError as error:
                return str(error)
            return f"{pair.name}: not whole in the store at {self.folder}; is its disk full?"
        high, wide = pixels.shape[:2]
        if high < height or wide < width:
            return f"{pair.name}: {wide}x{high} pixels, but {width}x{height} are needed"
        return None

    def open(self, pair: Pair) -> Pixels:
        """The stored pair, H x W x 4, memory-mapped and read-only.

        Raises:
            NirganError: It is not in the store, or not whole.
        """
        file = self.file(pair)
        pixels = _mapped(file)
        if pixels is None:
            raise NirganError(
                f"{file}: the stored pair {pair.name} has gone or is cut short; start again"
            )
        return pixels

    def holds(self, file: Path, pair: Pair) -> bool:
        """Whether a stored file is what a pair decodes to; it is read to its end."""
        try:
            return np.array_equal(np.load(file), stack(*pair.load()))
        except (*READ_ERRORS, NirganError):
            return False

    def _place(self, pair: Pair) -> Path:
        try:
            return self.file(pair)
        except NirganError:  # a file that cannot be read has no content to be named after
            return self.folder / "unreadable"

    def _write(self, file: Path, pixels: Pixels) -> None:
        beside: Path | None = None
        try:
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as part:
                beside = Path(part.name)
                np.save(part, pixels)
                part.flush()
                os.fsync(part.fileno())
            beside.replace(file)
        except OSError as error:
            if beside is not None:
                beside.unlink(missing_ok=True)
            raise NirganError(
                f"{file}: {pixels.nbytes / 1e6:.1f} MB could not be written ({error.strerror}); "
                "make room, or set data.store or NIRGAN_CACHE to another disk"
            ) from error

    def _sweep(self) -> None:
        for part in self.folder.glob("*.part"):
            try:
                if time.time() - part.stat().st_mtime > ABANDONED_AFTER_S:
                    part.unlink()
            except FileNotFoundError:
                continue  # another build was faster


def _mapped(file: Path) -> Pixels | None:
    """A stored file's pixels, or None where it is not there to its last byte."""
    try:
        pixels = np.load(file, mmap_mode="r")
        whole = file.stat().st_size == pixels.offset + pixels.nbytes
    except READ_ERRORS:
        return None
    return pixels if whole else None


def stack(nir: Pixels, rgb: Pixels) -> Pixels:
    """One array of a pair, H x W x 4: red, green, blue, NIR, in the wider depth of the two."""
    depth = max(nir.dtype, rgb.dtype, key=lambda dtype: dtype.itemsize)
    return np.dstack([as_depth(rgb, depth), as_depth(nir, depth)])
