"""What a method draws itself while it trains: dropout, say, or pictures from a pool."""

from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from nirgan.data.patches import hash_counter

HASH_STREAM = 22
"""Of `hash_counter`."""


class StepSeeding(Callback):
    """Makes it a function of `data.seed`, the batch's number and the rank alone.

    So a run may go on from any batch without the state of a generator, and what is drawn elsewhere,
    by a validation for instance, changes nothing.
    """

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed torch, on the CPU and on every device."""
        number = trainer.fit_loop.total_batch_idx * trainer.world_size + trainer.global_rank
        seed: int = trainer.datamodule.seed  # type: ignore[attr-defined]
        torch.manual_seed(hash_counter(seed, HASH_STREAM, np.array(number)).item() >> 1)
