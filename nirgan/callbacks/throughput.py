"""How many patches have been seen, and how fast: the axis on which methods are compared."""

import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


class Throughput(Callback):
    """Logs `train/patches` (over all ranks, since the start) and `train/patches_per_second`.

    Where whole regions are trained on, they count by their area. The rate is that of training
    alone, validation left out, since the last one.
    """

    def __init__(self) -> None:
        self.pixels = 0
        self._epoch = 0
        self._since = 0.0
        self._area = 1

    @property
    def patches(self) -> int:
        """How many have been seen."""
        return round(self.pixels / self._area)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Ask how large a patch is."""
        self._area = trainer.datamodule.patch**2  # type: ignore[attr-defined]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, in the middle of an epoch too."""
        self._restart()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start it anew."""
        self._restart()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start it anew, the validation's time left out."""
        self._restart()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch of every rank."""
        pixels = batch["rgb"][:, 0].numel() * trainer.world_size
        self.pixels += pixels
        self._epoch += pixels
        rate = self._epoch / self._area / (time.perf_counter() - self._since)
        pl_module.log("train/patches", float(self.patches))
        pl_module.log("train/patches_per_second", rate, prog_bar=True)

    def state_dict(self) -> dict[str, Any]:
        """Kept in checkpoints."""
        return {"pixels": self.pixels}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """A resumed run counts on."""
        self.pixels = state_dict["pixels"]

    def _restart(self) -> None:
        self._epoch, self._since = 0, time.perf_counter()
