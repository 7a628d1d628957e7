"""Which run, how far, how long still: a bar on a terminal, lines elsewhere."""

import io
import sys
import time
from collections.abc import Callable, Sequence

from tqdm import tqdm

from nirgan.benchmark.suite import Run

ONE_PASS_WEIGHT = 0.05
"""What a method fitted in closed form costs, in trained runs; only the estimate depends on it."""

BAR = "{percentage:3.0f}%|{bar:20}| {elapsed} so far, {remaining} to go | {desc}"


class SuiteProgress:
    """Keeps a person informed of a suite's runs; `done` says whether one is finished."""

    def __init__(self, runs: Sequence[Run], done: Callable[[Run], bool]) -> None:
        self.runs, self.done = runs, done
        self.terminal = sys.stderr.isatty()
        self.bar = tqdm(
            total=sum(map(_cost, runs)),
            initial=self._finished(),
            file=sys.stderr if self.terminal else io.StringIO(),
            bar_format=BAR,
            smoothing=0,  # the mean rate
        )
        count = sum(map(done, runs))
        self._say(f"{len(runs)} runs, {count} of them finished, {len(runs) - count} to do")

    def start(self, run: Run) -> None:
        """A run begins."""
        self.before, self.cost = self._finished(), _cost(run)
        self.name = f"run {self.runs.index(run) + 1}/{len(self.runs)} {run}"
        self.bar.set_description_str(self.name)
        self.advance(0.0)
        if not self.terminal:
            self._say(f"{self.name}: started")

    def advance(self, fraction: float) -> None:
        """The run is that far, 0 to 1."""
        self.bar.update(self.before + self.cost * fraction - self.bar.n)

    def finish(self, *, failed: bool) -> None:
        """The run is over."""
        self.advance(1.0)
        left = tqdm.format_meter(**self.bar.format_dict | {"bar_format": "{remaining} to go"})
        self._say(f"{self.name}: {'failed' if failed else 'done'}, {left}")

    def close(self) -> None:
        """Leave the terminal tidy."""
        self.bar.close()

    def _finished(self) -> float:
        return sum(_cost(run) for run in self.runs if self.done(run))

    def _say(self, line: str) -> None:
        if self.terminal:
            self.bar.write(line, file=sys.stderr)
        else:
            print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def _cost(run: Run) -> float:
    return ONE_PASS_WEIGHT if run.one_pass else 1.0
