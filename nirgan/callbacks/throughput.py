"""How many patches have been seen, and how fast: the axis on which methods are compared."""

import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


class Throughput(Callback):
    """Logs `train/patches` (over all ranks, since the start) and `train/patches_per_second`.

    The rate is that of training alone, validation left out, since the last one.
    """

    def __init__(self) -> None:
        self.patches = 0
        self._epoch = 0
        self._since = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._restart()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start it anew, the validation's time left out."""
        self._restart()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch of every rank."""
        count = len(batch["rgb"]) * trainer.world_size
        self.patches += count
        self._epoch += count
        rate = self._epoch / (time.perf_counter() - self._since)
        pl_module.log("train/patches", float(self.patches))
        pl_module.log("train/patches_per_second", rate, prog_bar=True)

    def state_dict(self) -> dict[str, Any]:
        """Kept in checkpoints."""
        return {"patches": self.patches}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """A resumed run counts on."""
        self.patches = state_dict["patches"]

    def _restart(self) -> None:
        self._epoch, self._since = 0, time.perf_counter()
