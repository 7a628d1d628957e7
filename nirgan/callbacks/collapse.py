"""A run whose discriminator or generator has collapsed says so, and goes on.

What counts is not who is ahead. A discriminator at chance may be an ideal one, and one that is sure
may leave a generator that is led by other losses as good as before: in the configurations with
reconstruction losses its loss falls below 0.01 while pictures get better. Four things can be
measured that no healthy run shows for long, see `Collapse`.
"""

import math
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from nirgan.tasks.adversarial import AdversarialTask

CHANCE_LOSS = 0.25
"""Below this loss a discriminator tells pictures apart; one that gives all of them the same has at
least this one by least squares, 1.386 by eq. 3."""


class Collapse(Callback):
    """Looks at the discriminator's loss every so many batches, and at pictures in validation.

    Each finding is told once, and again if it had been over in between. With several processes it
    is the first one's share that is looked at.

    Args:
        batches: How many the discriminator's loss is averaged over. A quarter of an epoch of the
            paper's; it is sure of single batches long before.
        sure: Of eq. 4 as it stands, the gradient at a logit is D(G), 0.5 at chance, and the
            discriminator's loss is never below its mean. Below this loss hardly anything reaches
            the generator. Without `saturating`, and by least squares, the gradient does not vanish.
        steady: Standard deviation of the discriminator's loss, as a part of its mean. One that
            judges, at chance or not, errs by 1% and more from batch to batch; one whose loss does
            not even vary gives every picture the same.
        validations: How many in succession must show the same of the generator. Before so many
            batches as `batches` none counts: weights that begin near 0 give one grey at first.
        spread: How much the pictures differ from each other at the same place, as a part of what
            the true ones do. The quickstart's generator reaches 0.8 after four epochs; one that
            gives the same picture whatever it is shown, 0.
        stuck: How much larger the share of values at the end of the range is than that of the true
            pictures. There, no gradient passes the generator's last tanh.
    """

    def __init__(
        self,
        batches: int = 500,
        sure: float = 0.01,
        steady: float = 1e-3,
        validations: int = 3,
        spread: float = 0.05,
        stuck: float = 0.5,
    ) -> None:
        self.batches, self.sure, self.steady = batches, sure, steady
        self.validations, self.spread, self.stuck = validations, spread, stuck
        self._losses: list[Tensor] = []
        self._sums: list[Tensor] = []
        self._seen = {"same": 0, "stuck": 0}
        self._told: set[str] = set()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the discriminator's loss; look once there are enough."""
        loss = trainer.callback_metrics.get("train/discriminator")
        if loss is None:
            return
        self._losses.append(loss)
        if len(self._losses) < self.batches:  # a look waits for the device
            return
        losses, self._losses = torch.stack(self._losses).double(), []
        mean, deviation = losses.mean().item(), losses.std(correction=0).item()
        over = f"over the last {self.batches} batches"
        self._tell(
            trainer,
            "sure",
            mean < self.sure and _by_equation_4(pl_module),
            f"the discriminator is sure of every picture: its loss was {mean:.2g} on average "
            f"{over} (1.39 is chance), and by eq. 4 hardly any gradient reaches the generator; "
            "lower its learning rate, or set model.saturating=false",
        )
        self._tell(
            trainer,
            "steady",
            mean >= CHANCE_LOSS and deviation < self.steady * mean,
            f"the discriminator gives every picture the same: its loss was {mean:.4g} {over} and "
            f"varied by {deviation:.1g} only; raise its learning rate or its initial weights",
        )

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the pictures of the last one."""
        self._sums = []

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Measure the pictures of a batch."""
        if len(batch["rgb"]) > 1:
            made, true = outputs["rgb"] * 2 - 1, batch["rgb"].float()
            self._sums.append(torch.stack([*_measure(made), *_measure(true)]))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at what was measured; a method fitted in closed form may give one color."""
        if not self._sums or not [*pl_module.parameters()]:
            return
        if _batches(trainer) < self.batches:
            return
        variance, ends, true_variance, true_ends = torch.stack(self._sums).mean(0).tolist()
        made, true = math.sqrt(variance), math.sqrt(true_variance)
        # Not a method's fault where all true pictures are alike too.
        self._count("same", made < self.spread * true)
        self._count("stuck", ends - true_ends > self.stuck)
        over = f"in {self.validations} validations in succession"
        self._tell(
            trainer,
            "same",
            self._seen["same"] >= self.validations,
            f"the generator gives the same picture whatever it is shown, {over}: its pictures "
            f"differ by {made:.2g} on average (standard deviation at a place, of a range of 2), "
            f"the true ones by {true:.2g}; go back to an earlier checkpoint with a lower learning "
            "rate",
        )
        self._tell(
            trainer,
            "stuck",
            self._seen["stuck"] >= self.validations,
            f"the generator is stuck at the ends of the range, {over}: {ends:.0%} of its values "
            f"are -1 or 1, of the true ones {true_ends:.0%}; go back to an earlier checkpoint with "
            "a lower learning rate",
        )

    def _count(self, what: str, found: bool) -> None:
        self._seen[what] = self._seen[what] + 1 if found else 0

    def _tell(self, trainer: Trainer, what: str, found: bool, why: str) -> None:
        if found and what not in self._told:
            rank_zero_warn(f"step {_batches(trainer)}: {why}")
        (self._told.add if found else self._told.discard)(what)


def _batches(trainer: Trainer) -> int:
    return trainer.fit_loop.epoch_loop.total_batch_idx + 1


def _by_equation_4(task: LightningModule) -> bool:
    return isinstance(task, AdversarialTask) and task.saturating and task.adversarial_weight > 0


def _measure(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Of B x 3 x H x W in [-1, 1]: variance over B, mean of all places; share at the ends."""
    return pictures.var(0, correction=0).mean(), (pictures.abs() > 0.999).float().mean()
