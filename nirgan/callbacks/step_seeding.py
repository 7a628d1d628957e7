"""Seeds the random numbers that a method draws in training, for dropout or an image pool."""

from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from nirgan.data.patches import hash_counter
from nirgan.utils.lightning_internals import batches_begun

HASH_STREAM = 22
"""The stream of `hash_counter` that the seeds come from."""


class StepSeeding(Callback):
    """Seeds torch before every batch, from `data.seed`, the number of the batch and the rank.

    So a run resumes at any batch without stored generator states, and random numbers drawn
    elsewhere, in a validation for instance, have no effect.
    """

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed torch, on the CPU and on every device."""
        number = (batches_begun(trainer) - 1) * trainer.world_size + trainer.global_rank
        seed: int = trainer.datamodule.seed  # type: ignore[attr-defined]
        drawn = hash_counter(seed, HASH_STREAM, np.array(number)).item() >> 1
        if pl_module.device.type == "cpu":  # torch.manual_seed takes a millisecond
            torch.default_generator.manual_seed(drawn)
        else:
            torch.manual_seed(drawn)
