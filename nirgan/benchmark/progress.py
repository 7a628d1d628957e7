"""Which run, how far, how long still: a bar on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Callable, Sequence

from tqdm import tqdm

from nirgan.benchmark.suite import Run

ONE_PASS_WEIGHT = 0.05
"""What a method fitted in closed form costs, in trained runs; only the estimate depends on it."""


class SuiteProgress:
    """Keeps a person informed.

    Args:
        runs: All that the suite has.
        done: Whether one is finished, by whomever.
    """

    def __init__(self, runs: Sequence[Run], done: Callable[[Run], bool]) -> None:
        self.runs, self.done = runs, done
        self.terminal = sys.stderr.isatty()
        self.start_time = time.monotonic()
        self.before = self._finished()
        self.total = sum(map(_weight, runs))
        self.bar = tqdm(
            total=self.total,
            initial=self.before,
            disable=not self.terminal,
            bar_format="{percentage:3.0f}%|{bar:20}| {elapsed} so far, {remaining} to go | {desc}",
        )
        count = sum(map(done, runs))
        self._say(f"{len(runs)} runs, {count} of them finished, {len(runs) - count} to do")

    def start(self, run: Run) -> None:
        """A run begins."""
        self.base, self.weight = self._finished(), _weight(run)
        self.bar.set_description_str(f"run {self._number(run)} {run}")
        self.advance(0.0)
        if not self.terminal:
            self._say(f"run {self._number(run)} {run}: started")

    def advance(self, fraction: float) -> None:
        """The run is that far, 0 to 1."""
        self.bar.update(self.base + self.weight * fraction - self.bar.n)

    def finish(self, run: Run, *, failed: bool) -> None:
        """A run is over."""
        self.advance(1.0)
        ended = "failed" if failed else "done"
        self._say(f"run {self._number(run)} {run}: {ended}{self._left()}")

    def close(self) -> None:
        """Leave the terminal tidy."""
        self.bar.close()

    def _left(self) -> str:
        done = self._finished()
        spent = time.monotonic() - self.start_time
        if done <= self.before:
            return ""
        seconds = spent / (done - self.before) * (self.total - done)
        return f", {tqdm.format_interval(seconds)} to go"

    def _number(self, run: Run) -> str:
        return f"{self.runs.index(run) + 1}/{len(self.runs)}"

    def _finished(self) -> float:
        return sum(_weight(run) for run in self.runs if self.done(run))

    def _say(self, line: str) -> None:
        if self.terminal:
            self.bar.write(line, file=sys.stderr)
        else:
            print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def _weight(run: Run) -> float:
    return ONE_PASS_WEIGHT if run.one_pass else 1.0
