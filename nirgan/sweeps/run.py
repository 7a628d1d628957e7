"""A sweep from its beginning to its table."""

import sys
import time
from pathlib import Path

from optuna.study import Study

from nirgan.errors import NirganError
from nirgan.experiment.lightning_cli import configuration, silence_lightning
from nirgan.sweeps.figures import draw
from nirgan.sweeps.file import Sweep
from nirgan.sweeps.results import collect, markdown, write_best
from nirgan.sweeps.study import DONE, open_study, slots_of, try_again
from nirgan.sweeps.worker import WorkerPlan, Workers
from nirgan.utils.atomic_write import make_folder, write_json, write_text


def run(sweep: Sweep, out: Path, storage: str | None, slots: int, workers: int, seed: int) -> bool:
    """Do all trials that are not done; write down what they say, also when interrupted.

    `results.json`, `table.md`, `best.yaml`, `figures/` and `sweep.html` are put into the folder,
    the runs into `trials/`.

    Args:
        sweep: What is swept.
        out: Its folder.
        storage: URL of the database; None: SQLite in the folder.
        slots: How many trials.
        workers: Processes.
        seed: Of the values.

    Returns:
        Whether a trial is complete.

    Raises:
        NirganError: The file, the database or the command line that it comes to cannot be used.
    """
    silence_lightning()
    _check(sweep)
    make_folder(out)
    url = storage or f"sqlite:///{out / 'study.db'}"
    study = open_study(sweep, url, slots)
    try_again(study)
    plan = WorkerPlan(str(sweep.file), url, slots, str(out), seed)
    say = Say(study)
    try:
        if say.open:
            with Workers(plan, min(workers, say.open), out / "workers") as started:
                while started.busy():
                    say.news()
                    time.sleep(1)
            say.news()
    finally:
        complete = _put_down(sweep, study, out)
    return complete


class Say:
    """A line for every trial that has ended.

    Args:
        study: The sweep's.

    Attributes:
        open: How many trials were still to be done at the beginning.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.since = time.monotonic()
        slots = slots_of(study)
        self.ended = {slot for slot, trial in slots.items() if trial.state in DONE}
        self.before = len(self.ended)
        self.open = len(slots) - self.before
        self._line(f"{len(slots)} trials, {self.before} of them done")

    def news(self) -> None:
        """Tell of those that have ended since the last time."""
        slots = slots_of(self.study)
        for slot, trial in slots.items():
            if trial.state in DONE and slot not in self.ended:
                self.ended.add(slot)
                value = "" if trial.value is None else f" at {trial.value:.3f}"
                what = f"trial {slot}: {trial.state.name.lower()}{value}"
                self._line(f"{len(self.ended)}/{len(slots)} {what}{self._left(len(slots))}")

    def _left(self, total: int) -> str:
        spent = time.monotonic() - self.since
        minutes = spent / (len(self.ended) - self.before) * (total - len(self.ended)) / 60
        return f", {minutes:.0f} min to go" if minutes else ""

    def _line(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _check(sweep: Sweep) -> None:
    """Every value of a choice and both ends of a range must be ones that `fit` takes."""
    for values in sweep.ends():
        try:
            configuration(sweep.arguments(values))
        except NirganError as error:
            raise NirganError(f"{sweep.file}: {error}") from error


def _put_down(sweep: Sweep, study: Study, out: Path) -> bool:
    results = collect(sweep, study)
    write_json(out / "results.json", results)
    write_text(out / "table.md", markdown(results))
    draw(results, out)
    write_best(sweep, results, out / "best.yaml")
    print(f"\n{markdown(results)}\nIn {out}: sweep.html, table.md, results.json, figures/, trials/")
    if results["best"] is not None:
        print(f"The best: python -m nirgan fit --config {out}/best.yaml")
    elif failed := [t for t in results["trials"] if t["error"]]:
        print(f"Why the first failed: {out}/trials/{failed[0]['number']:04d}/failed.txt")
    return results["best"] is not None
