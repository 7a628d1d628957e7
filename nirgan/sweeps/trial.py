"""One trial: a run of `fit` with the values that it was given, watched at every validation."""

import math
import os
import signal
import traceback
from pathlib import Path
from typing import Any

import optuna
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from optuna.trial import Trial

from nirgan.callbacks.checkpoint_io import newest_complete
from nirgan.errors import NirganError, StoppedError
from nirgan.evaluation.provenance import provenance
from nirgan.experiment.lightning_cli import fit
from nirgan.sweeps.file import Sweep
from nirgan.sweeps.study import claim, suggest
from nirgan.utils.atomic_write import write_text
from nirgan.utils.nearest_name import did_you_mean

SINGLE_PROCESS_OPTIONS = (
    "--trainer.logger=true",  # the history on disk, whatever the file says
    "--trainer.devices=1",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
)
PARENT_PID = os.getppid()
"""Id of the process that started this one."""

ERROR, PROVENANCE = "error", "made"
"""Keys of user attributes of a trial: why it failed; commit, versions and machine."""


class SlotTakenError(Exception):
    """Another worker is filling the slot."""


class TrialReporter(Callback):
    """Reports every validation to the study, and ends a run that the study prunes."""

    state_key = "Watch"
    """Key in checkpoints: the first name of this class."""

    def __init__(self, trial: Trial, metric: str) -> None:
        self.trial, self.metric = trial, metric
        self.validations, self.value = 0, math.nan
        self.pruned = False

    def on_train_batch_start(self, *args: Any, **kwargs: Any) -> None:
        """Stop as on a signal, with the state saved, if the parent process has ended."""
        if os.getppid() != PARENT_PID:
            signal.raise_signal(signal.SIGTERM)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report, and ask whether to go on.

        Raises:
            NirganError: The metric is none that is logged.
        """
        if self.metric not in trainer.callback_metrics:
            known = trainer.callback_metrics
            raise NirganError(
                f"metric.name: no metric {self.metric!r} is logged at a validation"
                f"{did_you_mean(self.metric, known)}"
            )
        if trainer.sanity_checking:
            return
        self.validations += 1
        self.value = trainer.callback_metrics[self.metric].item()
        self.trial.report(self.value, self.validations)
        if self.trial.should_prune():
            self.pruned = trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """The count and the value, for checkpoints."""
        return {"validations": self.validations, "value": self.value}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the count in a resumed trial."""
        self.validations, self.value = state_dict["validations"], state_dict["value"]


def run_trial(sweep: Sweep, trial: Trial, out: Path, seed: int) -> float:
    """Do a trial in `trials/NUMBER` of the sweep's folder, from its newest checkpoint if any.

    Returns:
        The metric at the last validation, as W&B takes it.

    Raises:
        SlotTakenError: There is nothing to do in it.
        optuna.TrialPruned: It was ended early.
    """
    slot = claim(trial.study, trial)
    if slot is None:
        raise SlotTakenError
    values = suggest(sweep, trial, seed, slot)
    folder = out / "trials" / f"{slot:04d}"
    place = f"--trainer.default_root_dir={folder}"
    arguments = [*sweep.arguments(values), *SINGLE_PROCESS_OPTIONS, place]
    newest = newest_complete(folder.glob("*/version_*/checkpoints/last.ckpt"))
    if newest is not None:
        arguments.append(f"--ckpt_path={newest}")
    watch = TrialReporter(trial, sweep.metric)
    try:
        cli = fit(arguments, [watch])
    except StoppedError as stopped:  # not a failure: the slot is done when the sweep goes on
        raise SystemExit(stopped.status) from None
    except Exception as error:
        write_text(folder / "failed.txt", traceback.format_exc())
        trial.set_user_attr(ERROR, " ".join(str(error).split()) or type(error).__name__)
        raise
    (folder / "failed.txt").unlink(missing_ok=True)
    trial.set_user_attr(PROVENANCE, provenance(cli.trainer.strategy.root_device))
    if watch.pruned:
        raise optuna.TrialPruned
    return watch.value
