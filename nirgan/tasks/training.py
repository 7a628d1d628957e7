"""What tasks that learn by gradients share: weighted losses, optimizers, schedules."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from nirgan.data.images import signed_to_unit
from nirgan.errors import NirganError
from nirgan.tasks.base import ColorizationTask

MakeOptimizer = Callable[[Iterable[Parameter]], Optimizer]
MakeScheduler = Callable[[Optimizer], LRScheduler]
Schedule = Literal["to-zero"] | MakeScheduler
"""A learning-rate schedule that moves on after every batch. `to-zero` falls linearly from the
optimizer's rate to 0 over the run, however long it is."""


@dataclass
class Term:
    """A loss between the generated and the true picture.

    Attributes:
        loss: Takes both, B x 3 x H x W in [0, 1], and returns a scalar.
        weight: Its part in the generator's loss; 0 leaves it out.
    """

    loss: nn.Module
    weight: float = 0.0


class Terms(nn.Module):
    """Losses between pictures, by name.

    Args:
        terms: Each with its weight.
    """

    def __init__(self, terms: dict[str, Term]) -> None:
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


def make_scheduler(task: ColorizationTask, schedule: Schedule, optimizer: Optimizer) -> LRScheduler:
    """The schedule of an optimizer of a task.

    Raises:
        NirganError: It waits for a metric.
    """
    if schedule == "to-zero":
        return LambdaLR(optimizer, lambda batches: 1 - task.run_fraction() if batches else 1.0)
    scheduler = schedule(optimizer)
    if isinstance(scheduler, ReduceLROnPlateau):
        raise NirganError(
            "model.scheduler: ReduceLROnPlateau waits for a metric, but schedules move on after "
            "every batch; use another, to-zero for instance"
        )
    return scheduler


def make_optimizers(
    task: ColorizationTask,
    learning: Iterable[Parameter],
    optimizer: MakeOptimizer,
    schedule: Schedule | None,
) -> Any:
    """For `configure_optimizers` where Lightning steps: one optimizer, and its schedule."""
    made = optimizer(learning)
    if schedule is None:
        return made
    return [made], [{"scheduler": make_scheduler(task, schedule, made), "interval": "step"}]
