"""Progress of a benchmark: a bar on a terminal, lines of text elsewhere."""

import io
import sys
import time
from collections.abc import Callable, Sequence

from tqdm import tqdm

from nirgan.benchmark.suite import Run

ONE_PASS_WEIGHT = 0.05
"""Cost of a closed-form method relative to a trained run, for the estimate of time alone."""

BAR = "{percentage:3.0f}%|{bar:20}| {elapsed} so far, {remaining} to go | {desc}"


class SuiteProgress:
    """Shows the progress of a suite's runs; `done` tells whether a run is finished."""

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
        """Show that a run starts."""
        self.before, self.cost = self._finished(), _cost(run)
        self.name = f"run {self.runs.index(run) + 1}/{len(self.runs)} {run}"
        self.bar.set_description_str(self.name)
        self.advance(0.0)
        if not self.terminal:
            self._say(f"{self.name}: started")

    def advance(self, fraction: float) -> None:
        """Show the fraction of the run that is done, 0 to 1."""
        self.bar.update(self.before + self.cost * fraction - self.bar.n)

    def finish(self, *, failed: bool) -> None:
        """Show that the run has ended, and the time that the others will take."""
        self.advance(1.0)
        left = tqdm.format_meter(**self.bar.format_dict | {"bar_format": "{remaining} to go"})
        self._say(f"{self.name}: {'failed' if failed else 'done'}, {left}")

    def close(self) -> None:
        """Close the progress bar."""
        self.bar.close()

    def _finished(self) -> float:
        return sum(_cost(run) for run in self.runs if self.done(run))

    def _say(self, line: str) -> None:
        self.bar.write(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr)


def _cost(run: Run) -> float:
    return ONE_PASS_WEIGHT if run.one_pass else 1.0
