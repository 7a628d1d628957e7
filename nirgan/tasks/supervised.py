"""A generator that learns from losses between its pictures and the true ones, nothing else."""

from torch import Tensor, nn

from nirgan.data.datamodule import Batch
from nirgan.errors import NirganError
from nirgan.tasks.training import (
    GradientTask,
    LossCollection,
    MakeOptimizer,
    Schedule,
    WeightedLoss,
)


class SupervisedTask(GradientTask):
    """Descends a weighted sum of losses.

    Args:
        generator: B x 3 x H x W to B x 3 x H x W, both in [-1, 1].
        losses: By name.
        optimizer: None: Adam with a learning rate of 1e-3.
        scheduler: A learning-rate schedule, see `nirgan.tasks.training.Schedule`.
        channels_last: Memory layout of the network; much faster with bf16.
        lr_factors: By what the learning rate of a part is multiplied, by its name,
            `generator.encoder` say.

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
        self.save_hyperparameters(logger=False)
        self.losses = LossCollection(losses)
        if not self.losses:
            raise NirganError("model.losses: none has a weight; the generator has nothing to learn")

    def compute_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Between the picture and the truth."""
        return self.losses(self(batch["triplet"]), batch["rgb"])  # type: ignore[no-any-return]
