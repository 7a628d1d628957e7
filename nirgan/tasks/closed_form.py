"""Methods that are fitted in one pass over the training pictures, without gradients.

They use the same verbs and checkpoints as trained methods.
"""

from collections.abc import Iterable
from typing import Any, cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import SGD

from nirgan.data.batches import Batch
from nirgan.errors import NirganError
from nirgan.tasks.base import ColorizationTask


class ClosedFormTask(ColorizationTask):
    """Fits a generator to every training pixel once.

    Args:
        generator: One with `update`, see `nirgan.networks.generators.baselines`.
    """

    trains_on = "regions"

    def __init__(self, generator: nn.Module) -> None:
        super().__init__(generator)
        self.require_attributes("update")
        self.automatic_optimization = False

    def setup(self, stage: str) -> None:
        """Check that one process sees all training regions.

        Raises:
            NirganError: There are several processes, which would each see only a part.
        """
        if stage == "fit" and self.trainer.world_size > 1:
            raise NirganError(
                "a method that is fitted in one pass takes one process: set trainer.devices=1"
            )

    def on_train_epoch_end(self) -> None:
        """End the run after one epoch."""
        self.trainer.should_stop = True

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize, in full precision."""
        with torch.autocast(triplet.device.type, enabled=False):
            return super().forward(triplet.float())

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Fit the generator, in full precision."""
        with torch.autocast(batch["nir"].device.type, enabled=False):
            for nir, rgb in self.examples(batch):
                cast(Any, self.generator).update(nir, rgb)
        cast(LightningOptimizer, self.optimizers()).step()

    def examples(self, batch: Batch) -> Iterable[tuple[Tensor, Tensor]]:
        """The pictures to fit: the training region, B x 1 and B x 3 x H x W in [-1, 1]."""
        return [(batch["nir"], batch["rgb"])]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """An optimizer without effect: Lightning counts its steps, and saves nothing at step 0."""
        return SGD([nn.Parameter(torch.zeros(1))], lr=0.0)
