"""Whether pairs and their stored files are still what they were when a run opened them.

A run reads memory-mapped files for hours. One that is cut short meanwhile ends Python without a
word (SIGBUS), and one that is overwritten is trained on unseen.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_warn

from nirgan.data.sources.base import Pair
from nirgan.data.store import PairStore
from nirgan.errors import NirganError

MAX_NAMED_PAIRS = 5
"""Pairs that a warning names."""

Stamp = tuple[int, int, int]
"""Inode, size in bytes, time of change in nanoseconds."""


class DataSnapshot:
    """Pairs in use, as they were when this was made.

    Args:
        store: Where they are stored.
        pairs: All of them are.
    """

    def __init__(self, store: PairStore, pairs: Sequence[Pair]) -> None:
        self.store, self.pairs = store, pairs
        self.contents = {pair.name: pair.content() for pair in pairs}
        self.files = [store.file(pair) for pair in pairs]
        self._stamps = [_stamp(file) for file in self.files]
        self._told: set[str] = set()

    def damage(self) -> str | None:
        """Why the store can no longer be read, in one line that names the file; or None.

        A file that was written anew with the same pixels, by another run for instance, is as good.
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
        """Look at the stored files.

        Raises:
            NirganError: See `damage`.
        """
        if damage := self.damage():
            raise NirganError(damage)

    def tell_changes(self) -> None:
        """Warn of pictures that have gone or changed, each pair once."""
        changes = {pair.name: how for pair in self.pairs if (how := self._change(pair))}
        new = [how for name, how in changes.items() if name not in self._told]
        self._told |= changes.keys()
        if new:
            rank_zero_warn(
                f"pictures are not what they were when the run began: {_some(new)}; it goes on "
                "with the pixels that it has decoded, but one that is resumed will not see the same"
            )

    def tell_differences(self, contents: Mapping[str, str]) -> None:
        """Warn of what differs from the pairs of a checkpoint.

        Args:
            contents: By the pairs' names, as in `contents`.
        """
        names = sorted({*contents, *self.contents})
        how = {name: _difference(contents.get(name), self.contents.get(name)) for name in names}
        if different := [f"{name} {what}" for name, what in how.items() if what]:
            rank_zero_warn(
                f"not the same data as when the run began: {_some(different)}; what is learned "
                "and judged from here on does not compare with what was before"
            )

    def _change(self, pair: Pair) -> str | None:
        try:
            same = pair.content() == self.contents[pair.name]
        except NirganError as error:
            return f"{pair.name} ({error})"
        return None if same else f"{pair.name} (changed)"


def _difference(then: str | None, now: str | None) -> str | None:
    if then == now:
        return None
    return "is new" if then is None else "is missing" if now is None else "has changed"


def _some(what: Sequence[str]) -> str:
    more = f" and {len(what) - MAX_NAMED_PAIRS} more" if len(what) > MAX_NAMED_PAIRS else ""
    return ", ".join(what[:MAX_NAMED_PAIRS]) + more


def _stamp(file: Path) -> Stamp | None:
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns
