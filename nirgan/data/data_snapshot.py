"""Detects changes of pairs and of their stored files during a run.

A run reads memory-mapped files for hours. If one is truncated meanwhile, Python dies of SIGBUS; if
one is overwritten, other data are used without notice.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_warn

from nirgan.data.sources.base import Pair
from nirgan.data.store import PairStore
from nirgan.errors import NirganError

MAX_NAMED_PAIRS = 5
"""How many pairs a warning names."""


class DataSnapshot:
    """The state of all pairs in use, and of their files in a store, when it is made."""

    def __init__(self, store: PairStore, pairs: Sequence[Pair]) -> None:
        self.store, self.pairs = store, pairs
        self.contents = {pair.name: pair.content() for pair in pairs}
        self.files = [store.file(pair) for pair in pairs]
        self._stamps = [_stamp(file) for file in self.files]
        self._told: set[str] = set()

    def damage(self) -> str | None:
        """Why the store can no longer be read, in one line that names the file; or None.

        A file that another run has replaced by the same pixels is accepted.
        """
        for number, (pair, file) in enumerate(zip(self.pairs, self.files, strict=True)):
            stamp = _stamp(file)
            if stamp == self._stamps[number]:
                continue
            if stamp is None or not self.store.holds(file, pair):
                what = "has gone" if stamp is None else "was changed or cut short"
                return (
                    f"{file}: the stored pair {pair.name} {what} since the run began; start "
                    "again, which decodes it anew (fit goes on with --ckpt_path last)"
                )
            self._stamps[number] = stamp
        return None

    def check(self) -> None:
        """Raise what `damage` says, as a `NirganError`."""
        if damage := self.damage():
            raise NirganError(damage)

    def tell_changes(self) -> None:
        """Warn about pictures that have disappeared or changed, once for each pair."""
        new = []
        for pair in self.pairs:
            try:
                change = "" if pair.content() == self.contents[pair.name] else "changed"
            except NirganError as error:
                change = str(error)
            if change and pair.name not in self._told:
                new.append(f"{pair.name} ({change})")
                self._told.add(pair.name)
        if new:
            rank_zero_warn(
                f"pictures are not what they were when the run began: {_some(new)}; it goes on "
                "with the pixels that it has decoded, but one that is resumed will not see the same"
            )

    def tell_differences(self, contents: Mapping[str, str]) -> None:
        """Warn about differences from the pairs of a checkpoint, of which it has `contents`."""
        different = []
        for name in sorted({*contents, *self.contents}):
            if name not in contents:
                different.append(f"{name} is new")
            elif name not in self.contents:
                different.append(f"{name} is missing")
            elif contents[name] != self.contents[name]:
                different.append(f"{name} has changed")
        if different:
            rank_zero_warn(
                f"not the same data as when the run began: {_some(different)}; what is learned "
                "and judged from here on does not compare with what was before"
            )


def _some(what: Sequence[str]) -> str:
    more = f" and {len(what) - MAX_NAMED_PAIRS} more" if len(what) > MAX_NAMED_PAIRS else ""
    return ", ".join(what[:MAX_NAMED_PAIRS]) + more


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """Inode, size in bytes, time of change in nanoseconds."""
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns
