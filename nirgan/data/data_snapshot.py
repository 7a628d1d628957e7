"""Detects changes of pairs and of their stored files during a run.

A run reads memory-mapped files for hours. If one is truncated meanwhile, Python dies of SIGBUS; if
one is overwritten, other data are used without notice.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

from lightning.pytorch.utilities import rank_zero_warn

from nirgan.data.store import STATE, StoredPairs, file_state
from nirgan.errors import NirganError

MAX_NAMED_CHANGES = 5
"""How many pairs a warning names."""

PAIRS_PER_CHECK = 10_000
"""How many pairs one check looks at, in some tenths of a second."""


class DataSnapshot:
    """The state of all pairs in use, and of their files in a store, when it is made."""

    def __init__(self, stored: StoredPairs) -> None:
        self.stored = stored
        self._states = stored.rows[list(STATE)].copy()
        self._warned: set[int] = set()
        self._next = 0

    @cached_property
    def contents(self) -> dict[str, str]:
        """The hash of every pair's content by its name."""
        return {pair.name: self.stored.content(n) for n, pair in enumerate(self.stored.pairs)}

    def damage(self) -> str | None:
        """Why the store can no longer be read, in one line that names the file; or None.

        A call checks `PAIRS_PER_CHECK` pairs, the next call the next ones. A file that another run
        has replaced by the same pixels is accepted.
        """
        numbers = self._numbers()
        self._next = numbers[-1] + 1 if numbers else 0
        for number in numbers:
            state = file_state(self.stored.file(number))
            in_place = self.stored.pairs[number].in_place()
            if state == self._states[number].item() and not in_place:  # a VRT is of many files
                continue
            if not any(state):
                return self.stored.describe_loss(number, "has gone")
            if not self.stored.matches_decoded(number):
                return self.stored.describe_loss(number, "was changed or cut short")
            self._states[number] = state
        return None

    def _numbers(self) -> list[int]:
        count = len(self.stored)
        return [n % count for n in range(self._next, self._next + min(count, PAIRS_PER_CHECK))]

    def check(self) -> None:
        """Raise a `NirganError` if there is `damage`."""
        if damage := self.damage():
            raise NirganError(damage)

    def warn_changes(self) -> None:
        """Warn about pictures that have disappeared or changed, once for each pair."""
        new = []
        for number in self._numbers():
            if number in self._warned:
                continue
            try:
                change = "" if self.stored.unchanged(number) else "changed"
            except NirganError as error:
                change = str(error)
            if change:
                new.append(f"{self.stored.pairs[number].name} ({change})")
                self._warned.add(number)
        if new:
            rank_zero_warn(
                f"pictures are not what they were when the run began: {_some(new)}; it goes on "
                "with the pixels that it has decoded, but one that is resumed will not see the same"
            )

    def warn_differences(self, contents: Mapping[str, str]) -> None:
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
    more = f" and {len(what) - MAX_NAMED_CHANGES} more" if len(what) > MAX_NAMED_CHANGES else ""
    return ", ".join(what[:MAX_NAMED_CHANGES]) + more
