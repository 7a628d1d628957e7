"""Saves the latest state of a run, from which it resumes exactly after any interruption."""

import time
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn

from nirgan.errors import NirganError
from nirgan.utils.lightning_internals import (
    batches_done,
    fetched_batch_uncounted,
    has_accumulated_gradients,
    leave_finished_epoch,
)


class LatestCheckpoint(Checkpoint):
    """Writes `checkpoints/last.ckpt` after each validation and epoch, and at intervals in between.

    It is written between two batches. Lightning's own checkpoints are written within a batch,
    before its losses are logged and before the validation that follows it.

    Args:
        every_batches: Batches between two checkpoints; null: only the clock counts.
        every_minutes: Minutes between two checkpoints; null: only the batches count.

    Raises:
        NirganError: An interval is 0 or less.
    """

    def __init__(
        self, every_batches: int | None = None, every_minutes: float | None = 10.0
    ) -> None:
        for name, value in (("batches", every_batches), ("minutes", every_minutes)):
            if value is not None and value <= 0:
                raise NirganError(f"last.every_{name} is {value}, expected more than 0, or null")
        self.every_batches, self.every_minutes = every_batches, every_minutes
        self.newest = ""
        """The checkpoint written last, or the one that the run resumed from; empty: none yet."""
        self._folder = Path()
        self._saved = 0  # batches trained on when it was written
        self._since = 0.0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the folder, which all ranks agree on."""
        if stage == "fit":
            self._folder = Path(trainer.log_dir or trainer.default_root_dir) / "checkpoints"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the counters that the run starts with."""
        self.newest = str(trainer.ckpt_path or "")
        self._saved = batches_done(trainer)
        self._since = time.monotonic()
        leave_finished_epoch(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Save if it is time, before the batch is trained on."""
        if self._due(trainer):
            self.save(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, unless the epoch ends here too: other callbacks still process the metrics then."""
        fitting = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        if fitting and not trainer.is_last_batch:
            self.save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after the epoch."""
        self._write(trainer)

    def save(self, trainer: Trainer) -> None:
        """Write the current state, unless no batch was trained on since the last time.

        Call it on all ranks, between two batches, in `on_train_batch_start` for instance.

        Raises:
            NirganError: It cannot be written.
        """
        # Accumulated gradients are not part of a checkpoint.
        if not has_accumulated_gradients(trainer) and batches_done(trainer) != self._saved:
            self._write(trainer)

    def _due(self, trainer: Trainer) -> bool:
        done = batches_done(trainer)
        if not done:
            return False
        by_batches = self.every_batches is not None and done % self.every_batches == 0
        if self.every_minutes is None:
            return by_batches
        late = time.monotonic() - self._since >= 60 * self.every_minutes
        return by_batches or trainer.strategy.reduce_boolean_decision(late, all=False)

    def _write(self, trainer: Trainer) -> None:
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        file = self._folder / "last.ckpt"
        with fetched_batch_uncounted(trainer):
            trainer.save_checkpoint(file, weights_only=False)
        self.newest = str(file)
        self._saved, self._since = batches_done(trainer), time.monotonic()
