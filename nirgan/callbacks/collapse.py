"""Warns if the discriminator or the generator of a GAN has collapsed.

The balance of the two losses says little. A discriminator at chance may be an ideal one, and a
very accurate one does not hurt a generator that has other losses: in the configurations with
reconstruction losses, its loss falls below 0.01 while the pictures improve. `Collapse` measures
four things that no healthy run shows for long.
"""

import math
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from nirgan.errors import NirganError
from nirgan.tasks.adversarial import AdversarialTask
from nirgan.tasks.base import ColorizationTask
from nirgan.utils.lightning_internals import batches_begun

CHANCE_LOSS = 0.25
"""Least loss of a discriminator that gives all pictures the same output: 0.25 with least squares,
1.386 with eq. 3. Below it, the discriminator tells pictures apart."""


class Collapse(Callback):
    """Checks the discriminator's loss every `batches` batches, and the pictures of each validation.

    Each problem is reported once, and again if it returns. With several processes, only the data
    of the first one are checked.

    Args:
        batches: Number of batches over which the discriminator's loss is averaged. The default is
            about a quarter of the paper's epoch; on single batches, low losses are common.
        sure: Loss of the discriminator below which hardly any gradient reaches the generator by
            eq. 4: the gradient at a logit is D(G), whose mean is at most the discriminator's loss.
            Not checked without `saturating` or with least squares, whose gradient does not vanish.
        steady: Standard deviation of the discriminator's loss, relative to its mean, below which it
            gives every picture the same output. Otherwise the loss varies by 1% or more from batch
            to batch.
        validations: How many validations in a row must show a problem of the generator. None counts
            in the first `batches` batches, since small initial weights give a uniform grey.
        spread: Standard deviation between pictures at the same pixel, relative to that of the true
            pictures, below which the generator gives the same picture for every input. The
            quickstart's generator reaches 0.8 after four epochs.
        stuck: By how much the share of values at the ends of the range may exceed that of the true
            pictures. No gradient passes the generator's last tanh there.
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
        if batches < 1:
            raise NirganError(f"collapse.batches is {batches}, expected 1 or more")
        self._losses: list[Tensor] = []
        self._sums: list[Tensor] = []
        self._in_a_row: dict[str, int] = {}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Collect the discriminator's loss, and check it after every `batches` batches."""
        loss = cast(ColorizationTask, pl_module).step_values.get("train/discriminator")
        if loss is None:
            return
        self._losses.append(loss)
        if len(self._losses) < self.batches:  # reading a loss waits for the device
            return
        losses, self._losses = torch.stack(self._losses).double(), []
        mean, deviation = losses.mean().item(), losses.std(correction=0).item()
        over = f"over the last {self.batches} batches"
        self._warn_if(
            trainer,
            "sure",
            mean < self.sure and _by_equation_4(pl_module),
            f"the discriminator is sure of every picture: its loss was {mean:.2g} on average "
            f"{over} (1.39 is chance), and by eq. 4 hardly any gradient reaches the generator; "
            "lower its learning rate, or set model.saturating=false",
        )
        self._warn_if(
            trainer,
            "steady",
            mean >= CHANCE_LOSS and deviation < self.steady * mean,
            f"the discriminator gives every picture the same: its loss was {mean:.4g} {over} and "
            f"varied by {deviation:.1g} only; raise its learning rate or its initial weights",
        )

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset what was measured in the last validation."""
        self._sums = []

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        """Measure the pictures of a batch."""
        if len(batch["rgb"]) > 1:
            made, true = outputs["rgb"] * 2 - 1, batch["rgb"].float()
            self._sums.append(torch.stack([*_measure(made), *_measure(true)]))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check what was measured, but not of closed-form methods, which may give one color."""
        if not self._sums or not [*pl_module.parameters()]:
            return
        if batches_begun(trainer) < self.batches:
            return
        variance, ends, true_variance, true_ends = torch.stack(self._sums).mean(0).tolist()
        made, true = math.sqrt(variance), math.sqrt(true_variance)
        over = f"in {self.validations} validations in succession"
        self._warn_if(
            trainer,
            "same",
            made < self.spread * true,  # true pictures may be alike too
            f"the generator gives the same picture whatever it is shown, {over}: its pictures "
            f"differ by {made:.2g} on average (standard deviation at a place, of a range of 2), "
            f"the true ones by {true:.2g}; go back to an earlier checkpoint with a lower learning "
            "rate",
            self.validations,
        )
        self._warn_if(
            trainer,
            "stuck",
            ends - true_ends > self.stuck,
            f"the generator is stuck at the ends of the range, {over}: {ends:.0%} of its values "
            f"are -1 or 1, of the true ones {true_ends:.0%}; go back to an earlier checkpoint with "
            "a lower learning rate",
            self.validations,
        )

    def _warn_if(self, trainer: Trainer, what: str, found: bool, why: str, times: int = 1) -> None:
        """Warn about a problem when it was found `times` times in a row."""
        self._in_a_row[what] = self._in_a_row.get(what, 0) + 1 if found else 0
        if self._in_a_row[what] == times:
            rank_zero_warn(f"step {batches_begun(trainer)}: {why}")


def _by_equation_4(task: LightningModule) -> bool:
    return isinstance(task, AdversarialTask) and task.saturating and task.adversarial_weight > 0


def _measure(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Variance over B, averaged over pixels, and share of values at the ends of [-1, 1]."""
    return pictures.var(0, correction=0).mean(), (pictures.abs() > 0.999).float().mean()
