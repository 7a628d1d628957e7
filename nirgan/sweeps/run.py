"""Runs a sweep, and writes its results."""

import sys
import time
from pathlib import Path
from typing import Any

from optuna.study import Study
from tqdm import tqdm

from nirgan.errors import NirganError
from nirgan.experiment.lightning_cli import configuration, silence_lightning
from nirgan.metrics import logged_text
from nirgan.sweeps.figures import draw
from nirgan.sweeps.file import Sweep
from nirgan.sweeps.results import collect, markdown, write_best
from nirgan.sweeps.study import DONE, open_study, requeue_failed, slots_of
from nirgan.sweeps.worker import Workers
from nirgan.utils.atomic_write import make_folder, write_json, write_text


def run(sweep: Sweep, out: Path, storage: str | None, slots: int, workers: int, seed: int) -> bool:
    """Run all trials that are not done, and write the results, also when interrupted.

    `results.json`, `table.md`, `best.yaml`, `figures/` and `sweep.html` are put into the folder,
    the runs into `trials/`; where no storage is given, the database is SQLite in the folder.

    Returns:
        Whether a trial is complete.

    Raises:
        NirganError: The file, the database or the command line that it comes to cannot be used.
    """
    silence_lightning()
    for values in sweep.ends():  # `fit` must take each value of a choice and both ends of a range
        try:
            configuration(sweep.arguments(values))
        except NirganError as error:
            raise NirganError(f"{sweep.file}: {error}") from error
    make_folder(out)
    url = storage or f"sqlite:///{out / 'study.db'}"
    study = open_study(sweep, url, slots)
    requeue_failed(study)
    plan = (str(sweep.file), url, slots, str(out), seed)
    ended = {slot for slot, trial in slots_of(study).items() if trial.state in DONE}
    total = len(slots_of(study))
    try:
        if left := total - len(ended):
            with (
                tqdm(total=total, initial=len(ended), unit="trial", smoothing=0) as bar,
                Workers(plan, min(workers, left), out / "workers") as started,
            ):
                while started.busy():
                    _report_ended(study, sweep.metric, ended, bar)
                    time.sleep(1)
                _report_ended(study, sweep.metric, ended, bar)
    finally:
        complete = _write_results(sweep, study, out)
    return complete


def _report_ended(study: Study, metric: str, ended: set[int], bar: Any) -> None:
    """Print a line for every trial that has ended since the last call."""
    for slot, trial in slots_of(study).items():
        if trial.state in DONE and slot not in ended:
            ended.add(slot)
            value = "" if trial.value is None else f" at {logged_text(metric, trial.value)}"
            bar.write(f"trial {slot}: {trial.state.name.lower()}{value}", sys.stderr)
            bar.update()


def _write_results(sweep: Sweep, study: Study, out: Path) -> bool:
    results = collect(sweep, study)
    write_json(out / "results.json", results)
    write_text(out / "table.md", markdown(results))
    draw(study, results, out)
    write_best(sweep, results, out / "best.yaml")
    print(f"\n{markdown(results)}\nIn {out}: sweep.html, table.md, results.json, figures/, trials/")
    if results["best"] is not None:
        print(f"The best: python -m nirgan fit --config {out}/best.yaml")
    elif failed := [t for t in results["trials"] if t["error"]]:
        print(f"Why the first failed: {out}/trials/{failed[0]['number']:04d}/failed.txt")
    return results["best"] is not None
