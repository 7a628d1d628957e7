"""Shared by tasks that are trained with gradients: weighted losses, optimizers, schedules."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from nirgan.data.batches import Batch
from nirgan.data.images import signed_to_unit
from nirgan.errors import NirganError
from nirgan.tasks.base import ColorizationTask

MakeOptimizer = Callable[[Any], Optimizer]
"""Makes an optimizer of parameters or parameter groups, as torch's optimizer classes do."""
MakeScheduler = Callable[[Optimizer], LRScheduler]
Schedule = Literal["to-zero", "cosine"] | MakeScheduler
"""A learning-rate schedule that is stepped after every batch. `to-zero` falls linearly from the
optimizer's rate to 0 over the run, whatever its length; `cosine` falls along half a cosine."""
DECAYS: dict[str, Callable[[float], float]] = {
    "to-zero": lambda done: 1 - done,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
}


@dataclass
class WeightedLoss:
    """A loss between the generated and the true picture, and its weight.

    Attributes:
        loss: Takes the two, B x 3 x H x W in [0, 1], and returns a scalar.
        weight: Its weight in the generator's loss; 0 leaves it out.
    """

    loss: nn.Module
    weight: float


RESERVED_NAMES = (
    *("generator", "discriminator", "l1_regularizer"),
    *("generator_gradient", "discriminator_gradient", "discriminator_accuracy", "spread"),
    *("patches", "patches_per_second"),
)
"""What else is logged of training, beside the losses between pictures."""


class LossCollection(nn.Module):
    """Losses between pictures, by name.

    Raises:
        NirganError: A name is taken or cannot be one, or a weight is negative.
    """

    def __init__(self, losses: dict[str, WeightedLoss]) -> None:
        super().__init__()
        for name, one in losses.items():
            if name in RESERVED_NAMES or "." in name or hasattr(nn.ModuleDict, name):
                raise NirganError(f"a loss cannot be called {name!r}; give it another name")
            if one.weight < 0:
                raise NirganError(f"loss {name!r}: its weight is {one.weight}, expected 0 or more")
        self.losses = nn.ModuleDict({name: one.loss for name, one in losses.items()})
        self.weights = {name: one.weight for name, one in losses.items()}

    def __bool__(self) -> bool:
        return any(self.weights.values())

    def forward(self, output: Tensor, truth: Tensor) -> dict[str, Tensor]:
        """Weighted losses by name; both pictures B x 3 x H x W in [-1, 1]."""
        losses = {}
        for name, loss in self.losses.items():
            if weight := self.weights[name]:
                with torch.autocast(truth.device.type, enabled=False):  # bf16: too coarse for SSIM
                    try:
                        value = loss(signed_to_unit(output), signed_to_unit(truth))
                    except TypeError as error:
                        raise NirganError(
                            f"loss {name!r}: {type(loss).__name__} does not take the generated and "
                            f"the true picture ({error})"
                        ) from error
                if not isinstance(value, Tensor) or value.ndim:
                    got = tuple(value.shape) if isinstance(value, Tensor) else repr(value)
                    raise NirganError(
                        f"loss {name!r}: {type(loss).__name__} gave {got}, expected a scalar tensor"
                    )
                losses[name] = weight * value
        return losses


def make_optimizer(
    make: MakeOptimizer, parameters: Iterable[tuple[str, Parameter]], lr_factors: dict[str, float]
) -> Optimizer:
    """Make the optimizer of those named parameters that have a gradient.

    The learning rate has a factor by the name of a part of the network.

    Raises:
        NirganError: A part in `lr_factors` has no trained parameter or a negative factor, or the
            optimizer refuses its arguments.
    """
    if negative := [part for part, factor in lr_factors.items() if factor < 0]:
        raise NirganError(f"model.lr_factors: {negative[0]!r} has one below 0, expected 0 or more")
    groups: dict[str, list[Parameter]] = {part: [] for part in ["", *lr_factors]}
    for name, parameter in parameters:
        if parameter.requires_grad:
            inside = [part for part in groups if part and f"{name}.".startswith(f"{part}.")]
            groups[max(inside, key=len, default="")].append(parameter)
    if empty := [part for part in lr_factors if not groups[part]]:
        raise NirganError(f"model.lr_factors: nothing in {empty[0]!r} is trained")
    named = [(part, members) for part, members in groups.items() if members]
    try:
        optimizer = make([{"params": members} for _, members in named])
    except (TypeError, ValueError) as error:
        raise NirganError(f"the optimizer cannot be made of its arguments: {error}") from error
    for group, (part, _) in zip(optimizer.param_groups, named, strict=True):
        group["lr"] *= lr_factors.get(part, 1.0)
    return optimizer


def make_scheduler(task: ColorizationTask, schedule: Schedule, optimizer: Optimizer) -> LRScheduler:
    """Make the schedule of an optimizer of a task.

    Raises:
        NirganError: The schedule depends on a metric.
    """
    if isinstance(schedule, str):
        fall = DECAYS[schedule]
        return LambdaLR(optimizer, lambda batches: fall(task.run_fraction()) if batches else 1.0)
    scheduler = schedule(optimizer)
    if isinstance(scheduler, ReduceLROnPlateau):
        raise NirganError(
            "model.scheduler: ReduceLROnPlateau waits for a metric, but schedules move on after "
            "every batch; use another, to-zero for instance"
        )
    return scheduler


class GradientTask(ColorizationTask):
    """Trains a generator to minimize the sum of its losses, with one optimizer.

    A subclass implements `compute_losses`.

    Args:
        generator: B x 3 x H x W to B x 3 x H x W, both in [-1, 1].
        optimizer: None: Adam with a learning rate of 1e-3.
        scheduler: See `Schedule`.
        channels_last: Memory layout of the generator; much faster with bf16.
        lr_factors: Factors of the learning rate by part of the task, as `generator.encoder`.
    """

    def __init__(
        self,
        generator: nn.Module,
        optimizer: MakeOptimizer | None,
        scheduler: Schedule | None,
        channels_last: bool,
        lr_factors: dict[str, float] | None = None,
    ) -> None:
        super().__init__(generator)
        self.make_optimizer = optimizer or partial(Adam, lr=1e-3)
        self.lr_factors = lr_factors or {}
        self.schedule = scheduler
        if channels_last:
            generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @abstractmethod
    def compute_losses(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted losses of a batch, by name."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Log the losses of a batch and return their sum."""
        losses = self.compute_losses(batch)
        self.log_step({f"train/{name}": loss for name, loss in losses.items()}, prog_bar=True)
        return torch.stack(list(losses.values())).sum()

    def trainable_parameters(self) -> Iterable[tuple[str, Parameter]]:
        """The parameters that the optimizer updates, by name."""
        return self.generator.named_parameters(prefix="generator")

    def configure_optimizers(self) -> Any:
        """The optimizer, and its schedule, which is stepped after every batch."""
        trained = self.trainable_parameters()
        optimizer = make_optimizer(self.make_optimizer, trained, self.lr_factors)
        if self.schedule is None:
            return optimizer
        scheduler = make_scheduler(self, self.schedule, optimizer)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]
