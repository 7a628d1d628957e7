"""Stops a run at the first loss or parameter that is not finite."""

from typing import Any, cast

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from nirgan.callbacks.latest_checkpoint import LatestCheckpoint
from nirgan.errors import NirganError
from nirgan.tasks.base import ColorizationTask


class NonFiniteGuard(Callback):
    """Checks every loss and every parameter after each step."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Check the step.

        Raises:
            NirganError: A loss or a parameter is infinite or not a number; the message names it,
                the step, and the newest checkpoint.
        """
        losses = cast(ColorizationTask, pl_module).step_values
        parameters = dict(pl_module.named_parameters())
        if not parameters:  # fitted in closed form
            return
        sizes = torch._foreach_norm([p.detach() for p in parameters.values()])
        checked = [*losses.values(), *(size.float() for size in sizes)]
        finite = torch.stack([value.detach().float().to(checked[-1].device) for value in checked])
        if finite.isfinite().all():
            return
        names = [*losses, *(f"parameter {name}" for name in parameters)]
        first = names[int(finite.isfinite().logical_not().nonzero()[0])]
        step = trainer.fit_loop.epoch_loop.total_batch_idx + 1
        newest = next((c.newest for c in trainer.callbacks if isinstance(c, LatestCheckpoint)), "")  # type: ignore[attr-defined]
        remedy = "no checkpoint was saved yet; start anew with a lower learning rate"
        if newest:
            remedy = f"the newest checkpoint is {newest}; the learning rate may be too high"
        raise NirganError(f"step {step}: {first} is not finite; {remedy}")
