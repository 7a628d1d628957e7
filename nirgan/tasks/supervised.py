"""Supervised training: losses between generated and true pictures, without a discriminator."""

from torch import Tensor, nn

from nirgan.data.batches import Batch
from nirgan.errors import NirganError
from nirgan.tasks.training import (
    GradientTask,
    LossCollection,
    MakeOptimizer,
    Schedule,
    WeightedLoss,
)


class SupervisedTask(GradientTask):
    """Minimizes a weighted sum of losses.

    Args:
        generator: B x 3 x H x W to B x 3 x H x W, both in [-1, 1].
        losses: Losses and their weights by name.
        optimizer: None: Adam with a learning rate of 1e-3.
        scheduler: A learning-rate schedule, see `nirgan.tasks.training.Schedule`.
        channels_last: Memory layout of the network; much faster with bf16.
        lr_factors: Factors of the learning rate by part of the task, as `generator.encoder`.

    Raises:
        NirganError: No loss has a weight.
    """

    def __init__(
        self,
        generator: nn.Module,
        losses: dict[str, WeightedLoss],
        optimizer: MakeOptimizer | None = None,
        scheduler: Schedule | None = None,
        channels_last: bool = False,
        lr_factors: dict[str, float] | None = None,
    ) -> None:
        super().__init__(generator, optimizer, scheduler, channels_last, lr_factors)
        self.losses = LossCollection(losses)
        if not self.losses:
            raise NirganError("model.losses: none has a weight; the generator has nothing to learn")

    def compute_losses(self, batch: Batch) -> dict[str, Tensor]:
        """The losses between the generated and the true pictures."""
        return self.losses(self(batch["triplet"]), batch["rgb"])  # type: ignore[no-any-return]
