"""Colour learned beside the category of the scene.

Iizuka, Simo-Serra and Ishikawa 2016, section 3.3: the mean squared error of the colours, and the
cross-entropy of the scene's category, at a 300th of the weight, which teaches the global features
what kind of scene they look at. Data of a single category have no such lesson.
"""

from functools import partial
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import Adam

from nirgan.data.datamodule import Batch
from nirgan.errors import NirganError
from nirgan.networks.colour import rgb_to_lab
from nirgan.networks.generators.iizuka import SPAN
from nirgan.tasks.base import ColorizationTask
from nirgan.tasks.training import MakeOptimizer, Schedule, make_optimizers


class Knowing(Protocol):
    """A generator that knows something of the whole picture."""

    known: int

    def features(self, triplet: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled CIELAB, B x 3 x H x W, and what is known of the picture, B x `known`."""


class SceneClassesTask(ColorizationTask):
    """Mean squared error in CIELAB, and the category's cross-entropy.

    Args:
        generator: One with `known` and `features`, see `nirgan.networks.generators.iizuka`.
        classes: Categories that are told apart, as many as the data have, or more.
        category_weight: Of the cross-entropy; theirs is a 300th.
        optimizer: None: Adam with a learning rate of 1e-3.
        scheduler: See `nirgan.tasks.training.Schedule`.
        channels_last: Memory layout of the network; much faster with bf16.
    """

    def __init__(
        self,
        generator: nn.Module,
        classes: int = 9,
        category_weight: float = 1 / 300,
        optimizer: MakeOptimizer | None = None,
        scheduler: Schedule | None = None,
        channels_last: bool = False,
    ) -> None:
        super().__init__(generator)
        self.save_hyperparameters(logger=False)
        self.category_weight = category_weight
        known = cast(Knowing, generator).known
        hidden = nn.Sequential(nn.Linear(known, known // 2, bias=False), nn.BatchNorm1d(known // 2))
        self.category = nn.Sequential(*hidden, nn.ReLU(), nn.Linear(known // 2, classes))
        self.classes = classes
        self.make_optimizer = optimizer or partial(Adam, lr=1e-3)
        self.schedule = scheduler
        if channels_last:
            generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def on_fit_start(self) -> None:
        """Look whether the network can tell as many categories apart as there are.

        Raises:
            NirganError: It cannot.
        """
        there = self.trainer.datamodule.categories  # type: ignore[attr-defined]
        if len(there) > self.classes:
            raise NirganError(
                f"model.classes is {self.classes}, but the data have {len(there)} categories "
                f"({', '.join(there)}); set it to {len(there)}"
            )
        if len(there) == 1:
            self.category_weight = 0.0

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        lab, known = cast(Knowing, self.generator).features(batch["triplet"])
        losses = self.losses(lab, self.category(known), batch["rgb"], batch["category"])
        self.log_dict({f"train/{name}": loss for name, loss in losses.items()}, prog_bar=True)
        return torch.stack(list(losses.values())).sum()

    def losses(
        self, lab: Tensor, logits: Tensor, rgb: Tensor, category: Tensor
    ) -> dict[str, Tensor]:
        """What is descended, weighted, by name (eq. 8)."""
        with torch.autocast(rgb.device.type, enabled=False):
            truth = rgb_to_lab(rgb) - rgb.new_tensor([50.0, 0.0, 0.0]).view(3, 1, 1)
            losses = {
                "colour": mse_loss(lab.float(), truth / rgb.new_tensor(SPAN).view(3, 1, 1)),
            }
            if self.category_weight:
                wrong = cross_entropy(logits.float(), category)
                losses["category"] = self.category_weight * wrong
        return losses

    def configure_optimizers(self) -> Any:
        """One optimizer, and its schedule a batch."""
        learning = [*self.generator.parameters(), *self.category.parameters()]
        return make_optimizers(self, learning, self.make_optimizer, self.schedule)
