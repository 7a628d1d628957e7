"""What tests hang into runs of several ranks, by `--trainer.callbacks`."""

import time

from lightning.pytorch.callbacks import Callback


class Fails(Callback):
    """On one rank, at a batch; another may be stuck where nothing reaches it."""

    def __init__(self, rank: int, batch: int = 1, stuck: bool = False):
        self.rank, self.batch, self.stuck = rank, batch, stuck

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch_idx != self.batch:
            return
        if trainer.global_rank == self.rank:
            raise RuntimeError(f"rank {self.rank} has lost its way")
        if self.stuck:
            time.sleep(600)
