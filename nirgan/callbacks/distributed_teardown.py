"""The processes of a run end together, and end well."""

import atexit
from subprocess import Popen, TimeoutExpired

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

RANK_TIMEOUT_S = 5.0
"""Seconds that the others have to say what has happened to them."""


class DistributedTeardown(Callback):
    """At the end of the program, leaves the process group and ends the processes it has started.

    torch aborts about every second process that still belongs to a gloo group, and then a launcher
    kills the first rank before it has written the table. An error on the first rank leaves those
    that it has started in a collective, for half an hour.
    """

    def __init__(self) -> None:
        self._started: list[Popen[bytes]] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Know them."""
        if trainer.world_size > 1:
            self._started = list(getattr(trainer.strategy.launcher, "procs", []))
            atexit.register(self._end)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Keep Lightning from killing this process, with its message, when another one dies."""
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
