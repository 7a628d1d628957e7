"""Stops a run at the first loss or parameter that is not finite."""

from typing import Any, cast

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch.nn.utils import get_total_norm

from nirgan.callbacks.latest_checkpoint import LatestCheckpoint
from nirgan.errors import NirganError
from nirgan.tasks.base import ColorizationTask
from nirgan.utils.lightning_internals import batches_begun


class NonFiniteGuard(Callback):
    """Checks every loss and every parameter after each step."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Check the step.

        Raises:
            NirganError: A loss or a parameter is infinite or not a number; the message names it,
                the step, and the newest checkpoint.
        """
        losses = cast(ColorizationTask, pl_module).step_values
        parameters = {f"parameter {n}": p.detach() for n, p in pl_module.named_parameters()}
        if not parameters:  # fitted in closed form
            return
        size = get_total_norm([*parameters.values()])
        checked = torch.stack(
            [v.detach().float().to(size.device) for v in (*losses.values(), size)]
        )
        if checked.isfinite().all():
            return
        first = next((n for n, v in (losses | parameters).items() if not v.isfinite().all()), None)
        if first is None:  # only the sum of their squares is infinite
            return
        step = batches_begun(trainer)
        newest = next((c.newest for c in trainer.callbacks if isinstance(c, LatestCheckpoint)), "")  # type: ignore[attr-defined]
        remedy = "no checkpoint was saved yet; start anew with a lower learning rate"
        if newest:
            remedy = f"the newest checkpoint is {newest}; the learning rate may be too high"
        raise NirganError(f"step {step}: {first} is not finite; {remedy}")
