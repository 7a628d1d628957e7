"""A run that is told to make way saves its state first."""

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

SIGNALS = [s for name in ("SIGINT", "SIGTERM", "SIGUSR1") if (s := getattr(signal, name, None))]
"""Ctrl-C, and what systems send before they take a machine back; the last by SLURM's
`--signal=USR1@120`."""

SAVING_MESSAGE = b"\nstops after this batch and saves its state; Ctrl-C once more ends at once\n"
"""What a person sees who has pressed Ctrl-C."""


class Preemption(Callback):
    """Ends training at the next batch after one of `SIGNALS`, its state saved as `last.ckpt`.

    The signal may reach any one of the ranks or all. Outside of training it does what it does to
    any program. A second Ctrl-C ends the program at once, wherever it is.
    """

    def __init__(self) -> None:
        self._received = 0
        self._former: dict[int, Any] = {}
        self._common = 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen."""
        self._received = 0
        if not trainer.fast_dev_run and threading.current_thread() is threading.main_thread():  # type: ignore[attr-defined]
            heard = [n for n in SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
            self._former = {number: signal.signal(number, self._receive) for number in heard}

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Stop between two batches."""
        self._stop_if_told(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Learn how many batches every rank has: one may have one less than another."""
        if self._former and not trainer.sanity_checking:
            self._common = self._over_ranks(trainer, int(sum(trainer.num_val_batches)), "min")

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stop here; a resumed run validates anew."""
        if not trainer.sanity_checking and batch_idx < self._common:
            self._stop_if_told(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave out what comes after training."""
        self._stop_if_told(trainer)
        self._restore()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The same where nothing was left to train, and so no training ended."""
        self.on_train_end(trainer, pl_module)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Listen no longer; Lightning, which deafens itself to a second Ctrl-C, hears it."""
        self._restore()
        if isinstance(exception, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._received = number  # no more than that: whatever runs now, a save say, ends first
        # torchrun sends every rank once more what a terminal has sent to all of them already.
        if number == signal.SIGINT and not torch.distributed.is_torchelastic_launched():
            signal.signal(number, signal.SIG_DFL)
            if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
                os.write(2, SAVING_MESSAGE)

    def _restore(self) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}

    def _stop_if_told(self, trainer: Trainer) -> None:
        """Agree, save, end.

        Raises:
            StoppedError: On the first rank.
            SystemExit: On the others, with status 0: launchers kill all ranks when one fails, and
                the first may still have logs to close.
        """
        if not self._former:
            return
        number = self._over_ranks(trainer, self._received, "max")
        if not number:
            return
        if trainer.validating:
            _begin_validation_anew(trainer)
        last = next(c for c in trainer.callbacks if isinstance(c, LatestCheckpoint))  # type: ignore[attr-defined]
        last.save(trainer)
        if not trainer.is_global_zero:
            raise SystemExit(0)
        step = trainer.fit_loop.epoch_loop.batch_progress.total.completed
        saved = f"state saved in {last.newest}; go on with --ckpt_path last"
        raise StoppedError(
            f"stopped by {signal.Signals(number).name} after step {step}; "
            f"{saved if last.newest else 'nothing was learned yet, so start it again'}",
            128 + number,
        )

    @staticmethod
    def _over_ranks(trainer: Trainer, value: int, how: str) -> int:
        if trainer.world_size == 1:  # nobody to ask, and no device to wait for
            return value
        one = torch.tensor(value, device=trainer.strategy.root_device)
        return int(trainer.strategy.reduce(one, reduce_op=how))


def _begin_validation_anew(trainer: Trainer) -> None:
    """Count as Lightning does inside the first step of a validation.

    That is the one place in a validation that a resumed run comes back to; from any other it would
    go on behind the validation, without its result.
    """
    progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
    progress.reset()
    progress.increment_ready()
    progress.increment_started()
