"""Stores decoded pairs as memory-mapped arrays.

A stored pair is one `.npy` file, H x W x 4 (red, green, blue, NIR), named after the content of the
files it came from. A changed picture gets a new name, so nothing outdated is read; categories,
folds and experiments share files. A file is written under a temporary name and renamed: a build can
be killed, and several can run at once.

An index remembers the content of files that have not been touched since they were read; without
it, every start would read all pictures again. It may be deleted at any time.
"""

import os
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from hashlib import blake2b, sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from nirgan.data.images import STORED_DTYPES, Pixels, as_depth
from nirgan.data.sources.base import Pair, PixelsInPlace, gc_paused
from nirgan.errors import NirganError
from nirgan.utils.atomic_write import TEMPORARY, atomic_write, make_folder
from nirgan.utils.paths import expand_home

STORE_FORMAT_VERSION = 1
"""To be increased when the format of stored files changes; older files are then not used."""

HEADER_BYTES = 128
"""Length of the header of a stored file, as numpy pads it."""

ROWS_FIRST = b"'fortran_order': False"
"""What the header of a stored file says of how its pixels lie."""

ABANDONED_AFTER_S = 3600
"""Age in seconds after which an unfinished file counts as left by a killed build."""

OPEN_FILES, OPEN_SHARE = 1000, 4
"""At most so many stored files stay open in a process, or a quarter of the system's limit."""

THREADS = 4
"""How many pairs are decoded at once, in memory."""

PAIRS_PER_STEP = 32
"""How many pairs a build submits to its threads at a time; an interrupt waits for these."""

INDEX_ROWS = 1_000_000
"""How many rows an index keeps, the newest; each takes 84 bytes."""

READ_ERRORS = (OSError, ValueError, EOFError, SyntaxError, TypeError, TokenError)
"""What numpy raises for a file that is missing, truncated or not of its format."""

ROW = np.dtype(
    [
        *(("stamp", "V16"), ("content", "V32")),
        *(("height", "i4"), ("width", "i4"), ("depth", "i4")),
        *(("inode", "i8"), ("changed_ns", "i8"), ("bytes", "i8")),
    ]
)
"""What is known of a pair: hashes of `Pair.stamp` (0: it has none) and of its content (0: it cannot
be read), its size in pixels, the index of its type in `STORED_DTYPES` (-1: it is not stored), and
the state of the file that it is read from."""

STATE = ("inode", "changed_ns", "bytes")
"""Columns that are the state of a file, as `file_state` gives it."""

Row = tuple[bytes, bytes, int, int, int, int, int, int]
State = tuple[int, int, int]
NO_STAMP, NO_CONTENT, NO_STATE = bytes(16), bytes(32), (0, 0, 0)


class StoredPairs(Sequence[Any]):
    """Pairs in a store, H x W x 4, whose files are opened when they are asked for.

    Args:
        store: The store.
        pairs: The pairs.
        rows: What is known of each, an array of `ROW`.
    """

    def __init__(
        self, store: "PairStore", pairs: Sequence[Pair], rows: npt.NDArray[Any] | None = None
    ) -> None:
        self.store, self.pairs = store, pairs
        self.rows = np.empty(0, ROW) if rows is None else rows
        self._opened: dict[int, tuple[Pixels, mmap]] = {}

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, number: Any) -> Any:
        """A pair, memory-mapped and read-only, or read in place.

        Raises:
            NirganError: Its file has gone or was cut short: to read a mapping of it would end
                Python with SIGBUS.
        """
        if number not in self._opened:
            if in_place := self.pairs[number].in_place():
                return in_place
            self._open(number)
        pixels, mapping = self._opened[number]
        if mapping.size() < len(mapping):  # by its handle, which takes a microsecond
            raise NirganError(self.describe_loss(number, "was cut short"))
        return pixels

    def _open(self, number: int) -> None:
        row = self.rows[number]
        shape, dtype = (row["height"], row["width"], 4), STORED_DTYPES[row["depth"]]
        try:
            with self.file(number).open("rb") as stream:
                mapping = mmap(stream.fileno(), 0, access=ACCESS_READ)
        except READ_ERRORS as error:
            raise NirganError(self.describe_loss(number, "has gone")) from error
        if len(mapping) != row["bytes"] or ROWS_FIRST not in mapping[:HEADER_BYTES]:
            (self.store.folder / "index").unlink(missing_ok=True)  # the next start checks all
            raise NirganError(self.describe_loss(number, "was changed or cut short"))
        pixels = np.frombuffer(mapping, dtype, offset=HEADER_BYTES).reshape(shape)
        while len(self._opened) >= _max_open_files():
            self._opened.pop(next(iter(self._opened)))
        self._opened[number] = pixels, mapping

    def describe_loss(self, number: int, what: str) -> str:
        """The error message for a stored file that cannot be read any more."""
        return (
            f"{self.file(number)}: the stored pair {self.pairs[number].name} {what} since the run "
            "began; start again, which decodes it anew (fit goes on with --ckpt_path last)"
        )

    def __getstate__(self) -> dict[str, Any]:
        """For loader processes; what is open would be sent to them pixel by pixel."""
        return {**self.__dict__, "_opened": {}}

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of every pair in pixels."""
        return list(zip(self.rows["height"].tolist(), self.rows["width"].tolist(), strict=True))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The widest type of all pairs."""
        return STORED_DTYPES[self.rows["depth"].max()]

    def content(self, number: int) -> str:
        """The hash of a pair's content."""
        return str(self.rows["content"][number].tobytes().hex())

    def file(self, number: int) -> Path:
        """The file that a pair is read from, whether it exists or not."""
        in_place = self.pairs[number].in_place()
        return in_place.file if in_place else self.store.path(self.content(number))

    def subset(self, numbers: Sequence[int]) -> "StoredPairs":
        """Some of the pairs."""
        return StoredPairs(self.store, [self.pairs[n] for n in numbers], self.rows[list(numbers)])

    def unusable(self, height: int, width: int) -> list[int]:
        """Which pairs are not in the store, or not of a least height and width in pixels."""
        small = (self.rows["height"] < height) | (self.rows["width"] < width)
        return np.flatnonzero(small | (self.rows["depth"] < 0)).tolist()

    def problem(self, number: int, height: int, width: int) -> str | None:
        """Why a pair cannot be used, or is not of a least height and width in pixels; or None."""
        pair, (high, wide) = self.pairs[number], self.rows[["height", "width"]][number]
        if self.rows["depth"][number] < 0:
            try:
                pair.loaded()
            except NirganError as error:
                return str(error)
            return f"{pair.name}: not whole in the store at {self.store.folder}; is its disk full?"
        if high < height or wide < width:
            return f"{pair.name}: {wide}x{high} pixels, but {width}x{height} are needed"
        return None

    def matches_decoded(self, number: int) -> bool:
        """Whether the stored file equals the newly decoded pair; in place, whether all files do."""
        pair = self.pairs[number]
        try:
            if pair.in_place():
                return _content(pair).hex() == self.content(number)
            return np.array_equal(np.load(self.file(number)), stack(*pair.loaded()))
        except (*READ_ERRORS, NirganError):
            return False

    def unchanged(self, number: int) -> bool:
        """Whether the pictures of a pair are what they were.

        Raises:
            NirganError: They have gone.
        """
        pair, stamp = self.pairs[number], self.rows["stamp"][number].tobytes()
        same = stamp != NO_STAMP and stamp == _stamp(pair)
        return same or _content(pair).hex() == self.content(number)


class PairStore:
    """Decoded pairs in a folder.

    Args:
        folder: Where the files lie; None: the environment variable `NIRGAN_CACHE`, or the user's
            cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = expand_home(folder or os.environ.get("NIRGAN_CACHE") or "~/.cache/nirgan")

    def path(self, content: str) -> Path:
        """The file of a decoded pair, by the hash of its content."""
        return self.folder / f"{content}.v{STORE_FORMAT_VERSION}.npy"

    def build(self, pairs: Sequence[Pair]) -> StoredPairs:
        """Decode and store all pairs that are missing or incomplete, if they can be decoded."""
        make_folder(self.folder, "set data.store or NIRGAN_CACHE")
        self._remove_abandoned()
        stored = self.open(pairs)
        missing = np.flatnonzero(stored.rows["depth"] < 0)
        count, starts = missing.size, list(range(0, missing.size, PAIRS_PER_STEP))
        # In random order, builds that run at once seldom decode the same pairs.
        random.Random().shuffle(starts)  # not the global generator, which the run uses
        progress = tqdm(total=count, desc="decoding pairs", unit="pair", disable=not count)
        with progress, ThreadPoolExecutor(THREADS) as threads:
            for start in starts:
                some = missing[start : start + PAIRS_PER_STEP].tolist()
                former = stored.rows[some].tolist()
                rows = threads.map(self._store, [pairs[n] for n in some], former)
                for number, row in zip(some, rows, strict=True):
                    stored.rows[number] = row
                    progress.update()
        self._update_index(stored.rows)
        return stored

    @gc_paused()
    def open(self, pairs: Sequence[Pair]) -> StoredPairs:
        """All pairs, also those that are not whole in the store."""
        known = self._index()
        return StoredPairs(self, pairs, np.array([self._row(p, known) for p in pairs], ROW))

    def _row(self, pair: Pair, known: dict[bytes, Row]) -> Row:
        stamp, in_place = _stamp(pair), pair.in_place()
        if (row := known.get(stamp)) and row[5:] == file_state(self.path(row[1].hex())):
            return row
        try:
            content = _content(pair)
        except NirganError:
            return NO_STAMP, NO_CONTENT, 0, 0, -1, *NO_STATE
        file = in_place.file if in_place else self.path(content.hex())
        return _row_of(stamp, content, file, in_place or _mapped(file))

    def _store(self, pair: Pair, row: Row) -> Row:
        if row[1] == NO_CONTENT:  # could not be read
            return row
        file = self.path(row[1].hex())
        pixels = _mapped(file)
        if pixels is None:
            try:
                pixels = stack(*pair.loaded())
            except NirganError:
                return row  # `problem` names it, on every rank alike
            if row[0] == NO_STAMP or row[0] != _stamp(pair):
                now = self._row(pair, {})
                if now[1] != row[1]:  # it has changed since it was hashed
                    return self._store(pair, now)
            self._write(file, pixels)
        return _row_of(*row[:2], file, pixels)

    def _write(self, file: Path, pixels: Pixels) -> None:
        try:
            with atomic_write(file, sync=True, size=pixels.nbytes) as part:
                np.save(part, pixels)
        except NirganError as error:
            raise NirganError(
                f"{error}; make room, or set data.store or NIRGAN_CACHE to another disk"
            ) from error

    def _index(self) -> dict[bytes, Row]:
        """The rows of the index by their stamps."""
        try:
            rows = np.load(self.folder / "index")
        except READ_ERRORS:
            return {}
        return {row[0]: row for row in rows.tolist()} if rows.dtype == ROW else {}

    def _update_index(self, rows: npt.NDArray[Any]) -> None:
        """Add rows to the index, in place of those with the same stamps."""
        known = self._index()
        new = {row[0]: row for row in rows[rows["depth"] >= 0].tolist() if row[0] != NO_STAMP}
        if not new.items() <= known.items():
            kept = [row for stamp, row in known.items() if stamp not in new]
            # A start is slower without it, so a store that may only be read will do.
            with (
                suppress(NirganError),
                atomic_write(self.folder / "index") as part,
                part.open("wb") as stream,
            ):
                np.save(stream, np.array([*kept, *new.values()][-INDEX_ROWS:], ROW))

    def _remove_abandoned(self) -> None:
        with os.scandir(self.folder) as entries:
            parts = [entry for entry in entries if TEMPORARY.fullmatch(entry.name)]
        for part in parts:
            with suppress(OSError):  # another build has written it, or has it open
                if time.time() - part.stat().st_mtime > ABANDONED_AFTER_S:
                    Path(part).unlink()


@cache
def _max_open_files() -> int:
    try:
        from resource import RLIMIT_NOFILE, getrlimit  # noqa: PLC0415 (Windows lacks it)
    except ImportError:
        return OPEN_FILES
    soft, _ = getrlimit(RLIMIT_NOFILE)
    return min(OPEN_FILES, soft // OPEN_SHARE) if soft > 0 else OPEN_FILES


def _stamp(pair: Pair) -> bytes:
    stamp = pair.stamp()
    return blake2b(stamp.encode(), digest_size=16).digest() if stamp else NO_STAMP


def _content(pair: Pair) -> bytes:
    content = pair.content()
    try:
        digest = bytes.fromhex(content)
    except ValueError:
        digest = b""
    return digest if len(digest) == len(NO_CONTENT) else sha256(content.encode()).digest()


def _row_of(stamp: bytes, content: bytes, file: Path, pixels: Pixels | PixelsInPlace | None) -> Row:
    if pixels is None:
        return stamp, content, 0, 0, -1, *NO_STATE
    height, width = pixels.shape[:2]
    return stamp, content, height, width, STORED_DTYPES.index(pixels.dtype), *file_state(file)


def file_state(file: Path) -> State:
    """The state of a file; `NO_STATE`: it has gone."""
    try:
        state = file.stat()
    except OSError:
        return NO_STATE
    return state.st_ino % 2**63, state.st_mtime_ns, state.st_size  # Windows' have 128 bits


def _mapped(file: Path) -> Pixels | None:
    """The pixels of a stored file, or None if it is missing or incomplete."""
    try:
        pixels = np.load(file, mmap_mode="r")
        whole = file.stat().st_size == pixels.offset + pixels.nbytes and pixels.flags.c_contiguous
    except READ_ERRORS:
        return None
    return pixels if whole else None


def stack(nir: Pixels, rgb: Pixels) -> Pixels:
    """Stack a pair to H x W x 4: red, green, blue, NIR, in the wider depth of the two."""
    depth = max(nir.dtype, rgb.dtype, key=lambda dtype: dtype.itemsize)
    # As `dstack` keeps the order in memory, which a source of one's own may have the other way.
    return np.ascontiguousarray(np.dstack([as_depth(rgb, depth), as_depth(nir, depth)]))
