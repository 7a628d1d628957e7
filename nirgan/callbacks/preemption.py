"""Saves the state of a run that is told to stop by a signal."""

import os
import signal
import threading
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only

from nirgan.callbacks.latest_checkpoint import LatestCheckpoint
from nirgan.errors import StoppedError
from nirgan.utils.lightning_internals import batches_done, begin_validation_anew, over_ranks

SIGNALS = [s for name in ("SIGINT", "SIGTERM", "SIGUSR1") if (s := getattr(signal, name, None))]
"""Ctrl-C, and what systems send before they reclaim a machine; SIGUSR1 with SLURM's
`--signal=USR1@120`."""

SAVING_MESSAGE = b"\nstops after this batch and saves its state; Ctrl-C once more ends at once\n"
"""Printed after the first Ctrl-C."""


class Preemption(Callback):
    """On one of `SIGNALS`, saves `last.ckpt` before the next batch and stops training.

    The signal may reach one of the ranks or all. Outside of training, signals have their usual
    effect. A second Ctrl-C ends the program at once.
    """

    def __init__(self) -> None:
        self._received = 0
        self._former: dict[int, Any] = {}
        self._common = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Install the signal handlers."""
        self._received = 0
        if not trainer.fast_dev_run and threading.current_thread() is threading.main_thread():  # type: ignore[attr-defined]
            heard = [n for n in SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
            self._former = {number: signal.signal(number, self._receive) for number in heard}

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Stop here if a signal has come."""
        self._stop_if_signaled(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Agree on the number of batches that all ranks have; it may differ by one."""
        if self._former and not trainer.sanity_checking:
            self._common = over_ranks(trainer, sum(trainer.num_val_batches), "min")

    def on_validation_batch_end(
        self, trainer: Trainer, _: Any, outputs: Any, batch: Any, batch_idx: int, *rest: Any
    ) -> None:
        """Stop here if a signal has come; a resumed run repeats the validation."""
        if not trainer.sanity_checking and batch_idx < self._common:
            self._stop_if_signaled(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop before what comes after training, if a signal has come."""
        self._stop_if_signaled(trainer)
        self._restore()

    on_fit_end = on_train_end  # of a run in which nothing was left to train

    def on_exception(self, trainer: Trainer, _: Any, exception: BaseException) -> None:
        """Restore the handlers; after Ctrl-C, undo that Lightning ignores a second one."""
        self._restore()
        if isinstance(exception, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._received = number  # the current operation, a save for instance, finishes first
        # torchrun forwards the signal that a terminal has sent to all ranks already.
        if number == signal.SIGINT and not torch.distributed.is_torchelastic_launched():
            signal.signal(number, signal.SIG_DFL)
            if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
                os.write(2, SAVING_MESSAGE)

    def _restore(self) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}

    def _stop_if_signaled(self, trainer: Trainer) -> None:
        """If any rank has received a signal, save and stop.

        Raises:
            StoppedError: On the first rank.
            SystemExit: On the others, with status 0: launchers kill all ranks when one fails, and
                the first may still have logs to close.
        """
        if not self._former:
            return
        number = int(over_ranks(trainer, self._received, "max"))
        if not number:
            return
        if trainer.validating:
            begin_validation_anew(trainer)
        outcome = "no state is kept, as last is null"
        for last in (c for c in trainer.callbacks if isinstance(c, LatestCheckpoint)):  # type: ignore[attr-defined]
            last.save(trainer)
            outcome = "nothing was learned yet, so start it again"
            if last.newest:
                outcome = f"state saved in {last.newest}; go on with --ckpt_path last"
        if not trainer.is_global_zero:
            raise SystemExit(0)
        step = batches_done(trainer)
        raise StoppedError(
            f"stopped by {signal.Signals(number).name} after step {step}; {outcome}", 128 + number
        )
