"""The base class of methods with discriminators: two optimizers, which step in turn."""

from itertools import chain
from typing import Any, ClassVar, cast

from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from nirgan.data.batches import Batch
from nirgan.tasks.base import ColorizationTask
from nirgan.tasks.training import MakeOptimizer, Schedule, make_optimizer, make_scheduler

MIN_SPREAD = 1e-3
"""Least spread of true pictures, in [-1, 1], that the generated ones' is divided by."""


class AlternatingTask(ColorizationTask):
    """Manual optimization of discriminators and generators.

    Beside the losses, a run logs how many pictures the discriminators judge rightly, the norm of
    both gradients before they are clipped, and how much the generator's pictures differ.

    Args:
        generator: B x 3 x H x W to B x 3 x H x W, both in [-1, 1].
        optimizers: Of the discriminators and of the generators.
        scheduler: A learning-rate schedule for both, see `nirgan.tasks.training.Schedule`.
        gradient_clip_norm: Largest norm of the gradient of each; None does not clip.
        lr_factors: Factors of the learning rate by part of the task, as `generator.encoder`.
    """

    sides: ClassVar[tuple[tuple[str, ...], tuple[str, ...]]] = ("discriminator",), ("generator",)
    """The attributes that are discriminators and generators."""

    def __init__(
        self,
        generator: nn.Module,
        optimizers: tuple[MakeOptimizer, MakeOptimizer],
        scheduler: Schedule | None,
        gradient_clip_norm: float | None = None,
        lr_factors: dict[str, float] | None = None,
    ) -> None:
        super().__init__(generator)
        self.automatic_optimization = False
        self.make_optimizers, self.schedule = optimizers, scheduler
        self.gradient_clip_norm = gradient_clip_norm
        self.lr_factors = lr_factors or {}

    def configure_optimizers(self) -> Any:
        """The discriminators' optimizer and the generators', each with its schedule."""
        factors: tuple[dict[str, float], dict[str, float]] = {}, {}
        for part, factor in self.lr_factors.items():
            of_generators = part.partition(".")[0] not in self.sides[0]
            factors[of_generators][part] = factor
        optimizers = []
        for make, side, own in zip(self.make_optimizers, self.sides, factors, strict=True):
            parameters = (getattr(self, name).named_parameters(prefix=name) for name in side)
            optimizers.append(make_optimizer(make, chain.from_iterable(parameters), own))
        if self.schedule is None:
            return optimizers
        return optimizers, [make_scheduler(self, self.schedule, o) for o in optimizers]

    def update(self, optimizer: LightningOptimizer, loss: Tensor) -> None:
        """One step of an optimizer, which is toggled."""
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Log the norm of the gradient, and clip it."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if self.gradient_clip_norm is None and not self.logs_step:
            return
        norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
        if self.gradient_clip_norm is not None:
            clip_grads_with_norm_(parameters, self.gradient_clip_norm, norm)
        first, _ = cast(list[Optimizer], self.optimizers(use_pl_optimizer=False))
        side = "discriminator" if optimizer is first else "generator"
        self.log_step({f"train/{side}_gradient": norm})

    def end_step(
        self,
        batch: Batch,
        generated: Tensor,
        judged: tuple[Tensor, Tensor],
        losses: dict[str, Tensor],
    ) -> None:
        """Move the schedules on, and log what a step has generated, B x 3 x H x W in [-1, 1].

        Logged are also the discriminators' loss and the share of pictures that they judge rightly,
        and the generators' weighted losses by name.
        """
        for scheduler in cast(list[LRScheduler], self.lr_schedulers() or []):
            scheduler.step()
        loss, accuracy = judged
        losses = {"discriminator": loss} | losses
        self.log_step({f"train/{name}": loss for name, loss in losses.items()}, prog_bar=True)
        self.log_step({"train/discriminator_accuracy": accuracy})
        if self.logs_step and len(generated) > 1:
            made, true = (_spread(x) for x in (generated, batch["rgb"]))
            self.log_step({"train/spread": made / true.clamp(min=MIN_SPREAD)})


def _spread(pictures: Tensor) -> Tensor:
    """Standard deviation between pictures at the same place, a scalar."""
    return pictures.detach().float().var(0, correction=0).mean().sqrt()
