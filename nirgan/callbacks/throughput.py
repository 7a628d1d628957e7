"""Counts the patches that a run has been trained on, and its speed."""

import time
from typing import Any, cast

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from nirgan.tasks.base import ColorizationTask


class Throughput(Callback):
    """Logs `train/patches` (over all ranks, since the start) and `train/patches_per_second`.

    Whole regions count by their area. The rate is measured since the last validation, which is left
    out.
    """

    def __init__(self) -> None:
        self.pixels = 0
        self._epoch = 0
        self._since = 0.0
        self._area = 1

    @property
    def patches(self) -> int:
        """Patches that have been trained on."""
        return round(self.pixels / self._area)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Read the size of a patch."""
        self._area = trainer.datamodule.patch**2  # type: ignore[attr-defined]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, also in the middle of an epoch."""
        self._epoch, self._since = 0, time.perf_counter()

    on_train_epoch_start = on_validation_end = on_train_start

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        """Count the batches of all ranks."""
        pixels = batch["rgb"][:, 0].numel() * trainer.world_size
        self.pixels += pixels
        self._epoch += pixels
        rate = self._epoch / self._area / (time.perf_counter() - self._since)
        task = cast(ColorizationTask, pl_module)
        task.log_step({"train/patches": float(self.patches)})
        task.log_step({"train/patches_per_second": rate}, prog_bar=True)

    def state_dict(self) -> dict[str, Any]:
        """The count, for checkpoints."""
        return {"pixels": self.pixels}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the count."""
        self.pixels = state_dict["pixels"]


def patches_seen(trainer: Trainer) -> int:
    """The patches that a trainer's run has been trained on."""
    return next((c.patches for c in trainer.callbacks if isinstance(c, Throughput)), 0)  # type: ignore[attr-defined]
