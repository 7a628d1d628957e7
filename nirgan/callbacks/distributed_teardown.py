"""Ends the processes of a distributed run together, with the right exit status."""

import atexit
from subprocess import Popen, TimeoutExpired
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

RANK_TIMEOUT_S = 5.0
"""Seconds that the other ranks have to report their errors before they are killed."""


class DistributedTeardown(Callback):
    """At exit, leaves the process group and ends the processes that this one has started.

    Without this, torch aborts about half of the processes that still belong to a gloo group, and
    the launcher then kills the first rank before it has written the table. After an error on the
    first rank, the others would wait in a collective for half an hour.
    """

    def __init__(self) -> None:
        self._started: list[Popen[bytes]] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the processes that this one has started."""
        if trainer.world_size > 1:
            self._started = list(getattr(trainer.strategy.launcher, "procs", []))
            atexit.register(self._end)

    def on_exception(self, trainer: Trainer, _: Any, exception: BaseException) -> None:
        """Keep Lightning from killing this process before its message when another one dies."""
        if self._started:
            trainer.strategy.launcher.procs.clear()  # type: ignore[union-attr]

    def _end(self) -> None:
        for process in self._started:
            try:
                process.wait(RANK_TIMEOUT_S)
            except TimeoutExpired:
                process.kill()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
