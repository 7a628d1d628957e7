"""Writes the pictures that `predict` makes."""

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_info

from nirgan.data.images import write_png


class PredictionWriter(Callback):
    """Writes each colorized picture to `predictions/<category>/<id>.png` in the run's folder."""

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the folder, which all ranks agree on."""
        self.folder = Path(trainer.log_dir or trainer.default_root_dir) / "predictions"

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: dict[str, Any], *_: Any
    ) -> None:
        """Write the pictures of a batch."""
        for name, picture in zip(outputs["names"], outputs["rgb"], strict=True):
            write_png(self.folder / f"{name}.png", picture)
        outputs.clear()  # or the trainer keeps all of them in memory

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the folder."""
        rank_zero_info(f"Color pictures are in {self.folder}")
