"""Stores decoded pairs as memory-mapped arrays.

A stored pair is one `.npy` file, H x W x 4 (red, green, blue, NIR), named after the content of the
files it came from. A changed picture gets a new name, so nothing outdated is read; categories,
folds and experiments share files. A file is written under a temporary name and renamed: a build can
be killed, and several can run at once.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from nirgan.data.images import Pixels, as_depth
from nirgan.data.sources.base import Pair, PixelsInPlace
from nirgan.errors import NirganError
from nirgan.utils.atomic_write import atomic_write, make_folder
from nirgan.utils.paths import expand_home

FORMAT_VERSION = 1
"""To be increased when the format of stored files changes; older files are then not used."""

ABANDONED_AFTER_S = 3600
"""Age in seconds after which an unfinished file counts as left by a killed build."""

READ_ERRORS = (OSError, ValueError, EOFError)
"""What numpy raises for a file that is missing, truncated or not of its format."""


class PairStore:
    """Decoded pairs in a folder.

    Args:
        folder: Where the files lie; None: the environment variable `NIRGAN_CACHE`, or the user's
            cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = expand_home(folder or os.environ.get("NIRGAN_CACHE") or "~/.cache/nirgan")

    def file(self, pair: Pair) -> Path:
        """The file of a pair, whether it exists or not: its own, if it is read in place."""
        if in_place := pair.in_place():
            return in_place.file
        return self.folder / f"{pair.content()}.v{FORMAT_VERSION}.npy"

    def build(self, pairs: Sequence[Pair]) -> None:
        """Decode and store all pairs that are missing or incomplete, if they can be decoded."""
        make_folder(self.folder, "set data.store or NIRGAN_CACHE")
        self._sweep()
        stored = (pair for pair in pairs if not pair.in_place())
        missing = [(pair, file) for pair in stored if _mapped(file := self._place(pair)) is None]
        for pair, file in tqdm(missing, desc="decoding pairs", unit="pair", disable=not missing):
            try:
                nir, rgb = pair.loaded()
            except NirganError:
                continue  # `problem` names it, on every rank alike
            self._write(file, stack(nir, rgb))

    def problem(self, pair: Pair, height: int, width: int) -> str | None:
        """Why a pair cannot be used, or is not of a least height and width in pixels; or None."""
        pixels = pair.in_place() or _mapped(self._place(pair))
        if pixels is None:
            try:
                pair.loaded()
            except NirganError as error:
                return str(error)
            return f"{pair.name}: not whole in the store at {self.folder}; is its disk full?"
        high, wide = pixels.shape[:2]
        if high < height or wide < width:
            return f"{pair.name}: {wide}x{high} pixels, but {width}x{height} are needed"
        return None

    def open(self, pair: Pair) -> Pixels | PixelsInPlace:
        """The stored pair, H x W x 4, memory-mapped and read-only, or read in place.

        Raises:
            NirganError: It is not in the store, or incomplete.
        """
        if in_place := pair.in_place():
            return in_place
        file = self.file(pair)
        pixels = _mapped(file)
        if pixels is None:
            raise NirganError(
                f"{file}: the stored pair {pair.name} has gone or is cut short; start again"
            )
        return pixels

    def holds(self, file: Path, pair: Pair) -> bool:
        """Whether a stored file equals the decoded pair; reads all of it."""
        try:
            return np.array_equal(np.load(file), stack(*pair.loaded()))
        except (*READ_ERRORS, NirganError):
            return False

    def _place(self, pair: Pair) -> Path:
        try:
            return self.file(pair)
        except NirganError:  # a file that cannot be read has no hash
            return self.folder / "unreadable"

    def _write(self, file: Path, pixels: Pixels) -> None:
        try:
            with atomic_write(file, sync=True, size=pixels.nbytes) as part:
                np.save(part, pixels)
        except NirganError as error:
            raise NirganError(
                f"{error}; make room, or set data.store or NIRGAN_CACHE to another disk"
            ) from error

    def _sweep(self) -> None:
        for part in self.folder.glob("*.part*"):
            try:
                if time.time() - part.stat().st_mtime > ABANDONED_AFTER_S:
                    part.unlink()
            except OSError:
                continue  # another build has written it, or has it open


def _mapped(file: Path) -> Pixels | None:
    """The pixels of a stored file, or None if it is missing or incomplete."""
    try:
        pixels = np.load(file, mmap_mode="r")
        whole = file.stat().st_size == pixels.offset + pixels.nbytes
    except READ_ERRORS:
        return None
    return pixels if whole else None


def stack(nir: Pixels, rgb: Pixels) -> Pixels:
    """Stack a pair to H x W x 4: red, green, blue, NIR, in the wider depth of the two."""
    depth = max(nir.dtype, rgb.dtype, key=lambda dtype: dtype.itemsize)
    return np.dstack([as_depth(rgb, depth), as_depth(nir, depth)])
