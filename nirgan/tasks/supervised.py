"""A generator that learns from losses between its pictures and the true ones, nothing else."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from nirgan.data.datamodule import Batch
from nirgan.errors import NirganError
from nirgan.tasks.base import ColorizationTask
from nirgan.tasks.training import MakeOptimizer, Schedule, Term, Terms, make_optimizers


class SupervisedTask(ColorizationTask):
    """Descends a weighted sum of losses.

    Args:
        generator: B x 3 x H x W to B x 3 x H x W, both in [-1, 1].
        losses: By name.
        optimizer: None: Adam with a learning rate of 1e-3.
        scheduler: A learning-rate schedule, see `nirgan.tasks.training.Schedule`.
        channels_last: Memory layout of the network; much faster with bf16.

    Raises:
        NirganError: No loss has a weight.
    """

    def __init__(
        self,
        generator: nn.Module,
        losses: dict[str, Term],
        optimizer: MakeOptimizer | None = None,
        scheduler: Schedule | None = None,
        channels_last: bool = False,
    ) -> None:
        super().__init__(generator)
        self.save_hyperparameters(logger=False)
        self.losses = Terms(losses)
        if not self.losses:
            raise NirganError("model.losses: none has a weight; the generator has nothing to learn")
        self.make_optimizer = optimizer or partial(Adam, lr=1e-3)
        self.schedule = scheduler
        if channels_last:
            generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The sum of the losses of a batch."""
        losses = self.losses(self(batch["triplet"]), batch["rgb"])
        self.log_dict({f"train/{name}": loss for name, loss in losses.items()}, prog_bar=True)
        return torch.stack(list(losses.values())).sum()

    def configure_optimizers(self) -> Any:
        """One optimizer, and its schedule a batch."""
        learning = self.generator.parameters()
        return make_optimizers(self, learning, self.make_optimizer, self.schedule)
