"""What tasks that learn by gradients share: weighted losses, optimizers, schedules."""

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

from nirgan.data.datamodule import Batch
from nirgan.data.images import signed_to_unit
from nirgan.errors import NirganError
from nirgan.tasks.base import ColorizationTask

MakeOptimizer = Callable[[Any], Optimizer]
"""Takes parameters, or groups of them, as torch's optimizers do."""
MakeScheduler = Callable[[Optimizer], LRScheduler]
Schedule = Literal["to-zero", "cosine"] | MakeScheduler
"""A learning-rate schedule that moves on after every batch. `to-zero` falls linearly from the
optimizer's rate to 0 over the run, however long it is; `cosine` along half a cosine."""
DECAYS: dict[str, Callable[[float], float]] = {
    "to-zero": lambda done: 1 - done,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
}


@dataclass
class WeightedLoss:
    """A loss between the generated and the true picture.

    Attributes:
        loss: Takes both, B x 3 x H x W in [0, 1], and returns a scalar.
        weight: Its part in the generator's loss; 0 leaves it out.
    """

    loss: nn.Module
    weight: float = 0.0


class LossCollection(nn.Module):
    """Losses between pictures, by name.

    Args:
        terms: Each with its weight.
    """

    def __init__(self, terms: dict[str, WeightedLoss]) -> None:
        super().__init__()
        self.losses = nn.ModuleDict({name: term.loss for name, term in terms.items()})
        self.weights = {name: term.weight for name, term in terms.items()}

    def __bool__(self) -> bool:
        return any(self.weights.values())

    def forward(self, output: Tensor, truth: Tensor) -> dict[str, Tensor]:
        """Weighted losses by name; both pictures B x 3 x H x W in [-1, 1]."""
        losses = {}
        for name, loss in self.losses.items():
            if weight := self.weights[name]:
                with torch.autocast(truth.device.type, enabled=False):  # bf16: too coarse for SSIM
                    losses[name] = weight * loss(signed_to_unit(output), signed_to_unit(truth))
        return losses


def make_optimizer(
    make: MakeOptimizer, parameters: Iterable[tuple[str, Parameter]], lr_factors: dict[str, float]
) -> Optimizer:
    """The optimizer of what of a network is trained.

    Args:
        make: Makes it of parameters, or of groups of them.
        parameters: By their names; those that need no gradient are left out.
        lr_factors: By what the learning rate of a part is multiplied, by the part's name; what has
            none keeps the rate.

    Raises:
        NirganError: No parameter is trained whose name begins like one of the parts'.
    """
    groups: dict[str, list[Parameter]] = {part: [] for part in ["", *lr_factors]}
    for name, parameter in parameters:
        if parameter.requires_grad:
            inside = [part for part in groups if part and f"{name}.".startswith(f"{part}.")]
            groups[max(inside, key=len, default="")].append(parameter)
    if empty := [part for part in lr_factors if not groups[part]]:
        raise NirganError(f"model.lr_factors: nothing in {empty[0]!r} is trained")
    named = [(part, members) for part, members in groups.items() if members]
    optimizer = make([{"params": members} for _, members in named])
    for group, (part, _) in zip(optimizer.param_groups, named, strict=True):
        group["lr"] *= lr_factors.get(part, 1.0)
    return optimizer


def make_scheduler(task: ColorizationTask, schedule: Schedule, optimizer: Optimizer) -> LRScheduler:
    """The schedule of an optimizer of a task.

    Raises:
        NirganError: It waits for a metric.
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
    """A generator that descends the sum of some losses, nothing else.

    A task of its own kind adds `compute_losses`.

    Args:
        generator: B x 3 x H x W to B x 3 x H x W, both in [-1, 1].
        optimizer: None: Adam with a learning rate of 1e-3.
        scheduler: See `Schedule`.
        channels_last: Memory layout of the generator; much faster with bf16.
        lr_factors: By what the learning rate of a part of the task is multiplied, by its name,
            `generator.encoder` say.
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
        """What a batch is descended by, weighted, by name."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The sum of the losses of a batch."""
        losses = self.compute_losses(batch)
        self.log_dict({f"train/{name}": loss for name, loss in losses.items()}, prog_bar=True)
        return torch.stack(list(losses.values())).sum()

    def trainable_parameters(self) -> Iterable[tuple[str, Parameter]]:
        """What the optimizer moves, by name."""
        return ((f"generator.{n}", p) for n, p in self.generator.named_parameters())

    def configure_optimizers(self) -> Any:
        """One optimizer, and its schedule a batch."""
        optimizer = make_optimizer(
            self.make_optimizer, self.trainable_parameters(), self.lr_factors
        )
        if self.schedule is None:
            return optimizer
        scheduler = make_scheduler(self, self.schedule, optimizer)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]
