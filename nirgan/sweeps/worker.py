"""The processes of a sweep.

Each is `python -m nirgan.sweeps.worker PLAN`, which does trial after trial until none is left, here
or elsewhere.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
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
"""How often a worker is started at most."""

POLL_S = 2.0
"""Seconds between looks at trials that another worker is doing."""


@dataclass(frozen=True)
class WorkerPlan:
    """What a worker is told.

    Attributes:
        file: The sweep file.
        storage: URL of the database.
        slots: How many trials the sweep has.
        out: Its folder.
        seed: Of the values.
    """

    file: str
    storage: str
    slots: int
    out: str
    seed: int

    def command(self) -> list[str]:
        """What starts a worker with it."""
        return [sys.executable, "-m", "nirgan.sweeps.worker", json.dumps(asdict(self))]


class Workers:
    """Several of them; they end with the `with` block, and are started again where they died.

    Args:
        plan: What they are told.
        count: How many. The cores are shared out among them.
        logs: A folder for what each one prints.
    """

    def __init__(self, plan: WorkerPlan, count: int, logs: Path) -> None:
        self.plan, self.logs = plan, logs
        threads = str(max(1, (os.cpu_count() or 1) // count))
        self.environment = {"OMP_NUM_THREADS": threads} | os.environ
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * count
        self.starts = [0] * count

    def __enter__(self) -> Self:
        make_folder(self.logs)
        for number in range(len(self.processes)):
            self._start(number)
        return self

    def __exit__(self, *raised: object) -> None:
        running = [p for p in self.processes if p is not None and p.poll() is None]
        for process in running:
            process.terminate()
        for process in running:
            process.wait()

    def busy(self) -> bool:
        """Whether some are at work.

        Raises:
            NirganError: One dies again and again.
        """
        for number, process in enumerate(self.processes):
            if process is None or process.poll() is None:
                continue
            self.processes[number] = None
            if process.returncode:  # killed, out of memory say
                self._start(number)
        return any(self.processes)

    def _start(self, number: int) -> None:
        log = self.logs / f"{number}.log"
        if self.starts[number] == MAX_STARTS:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise NirganError(
                f"worker {number} has died {MAX_STARTS} times: {''.join(said)}; see {log}"
            )
        self.starts[number] += 1
        with log.open("ab") as stream:
            self.processes[number] = subprocess.Popen(
                self.plan.command(),
                stdout=stream,
                stderr=stream,
                env=self.environment,
                start_new_session=True,  # an interrupt at the keyboard is for the verb to handle
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # Windows' way
            )


def work(plan: WorkerPlan) -> None:
    """Do trials until none is left."""
    silence_lightning()
    commit()  # of the code that runs, whatever is checked out meanwhile
    sweep = read(Path(plan.file))
    study = open_study(sweep, plan.storage, plan.slots)
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # failures are kept with their trial
    out = Path(plan.out)
    while states := {t.state for t in slots_of(study).values()} - set(DONE):
        if TrialState.WAITING in states:
            study.optimize(
                lambda trial: run_trial(sweep, trial, out, plan.seed),
                n_trials=1,
                catch=(Exception,),
            )
        else:
            optuna.storages.fail_stale_trials(study)
            time.sleep(POLL_S)


if __name__ == "__main__":
    work(WorkerPlan(**json.loads(sys.argv[1])))
