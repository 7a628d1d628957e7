"""The processes of a sweep.

Each is `python -m nirgan.sweeps.worker` with the arguments of `work` as JSON, and does trial after
trial until none is left, here or elsewhere.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import optuna
from optuna.trial import TrialState

from nirgan.errors import NirganError
from nirgan.evaluation.provenance import commit
from nirgan.experiment.lightning_cli import silence_lightning
from nirgan.sweeps.file import read
from nirgan.sweeps.study import DONE, open_study, slots_of
from nirgan.sweeps.trial import run_trial
from nirgan.utils.atomic_write import make_folder

MAX_STARTS = 4
"""Most starts of a worker."""

POLL_S = 2.0
"""Seconds between checks of trials that another worker is doing."""


class Workers:
    """Worker processes, which end with the `with` block and are restarted if they die.

    They share the cores; their output goes to the folder of logs. `plan` holds the arguments of
    `work`.
    """

    def __init__(self, plan: Sequence[str | int], count: int, logs: Path) -> None:
        self.plan, self.count, self.logs = plan, count, logs
        threads = str(max(1, (os.cpu_count() or 1) // count))
        self.environment = {"OMP_NUM_THREADS": threads} | os.environ
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.starts = [0] * count

    def __enter__(self) -> Self:
        make_folder(self.logs)
        for number in range(self.count):
            self._start(number)
        return self

    def __exit__(self, *raised: object) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait()

    def busy(self) -> bool:
        """Whether some are at work.

        Raises:
            NirganError: One dies again and again.
        """
        for number, process in self.processes.items():
            if process.poll():  # killed, out of memory say
                self._start(number)
        return any(process.poll() != 0 for process in self.processes.values())

    def _start(self, number: int) -> None:
        log = self.logs / f"{number}.log"
        if self.starts[number] == MAX_STARTS:
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise NirganError(
                f"worker {number} has died {MAX_STARTS} times: {''.join(last)}; see {log}"
            )
        self.starts[number] += 1
        with log.open("ab") as stream:
            self.processes[number] = subprocess.Popen(
                [sys.executable, "-m", "nirgan.sweeps.worker", json.dumps(self.plan)],
                stdout=stream,
                stderr=stream,
                env=self.environment,
                start_new_session=True,  # an interrupt at the keyboard is for the verb to handle
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # Windows' way
            )


def work(file: str, storage: str, slots: int, out: str, seed: int) -> None:
    """Do trials of a sweep file until so many are done, in a database by its URL, and a folder."""
    silence_lightning()
    commit()  # cached before another one is checked out
    sweep = read(Path(file))
    study = open_study(sweep, storage, slots)
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # failures are kept with their trial
    while states := {t.state for t in slots_of(study).values()} - set(DONE):
        if TrialState.WAITING in states:
            study.optimize(
                lambda trial: run_trial(sweep, trial, Path(out), seed),
                n_trials=1,
                catch=(Exception,),
            )
        else:
            optuna.storages.fail_stale_trials(study)
            time.sleep(POLL_S)


if __name__ == "__main__":
    work(*json.loads(sys.argv[1]))
