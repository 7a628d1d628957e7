"""Batch norm's statistics, which every rank gathers from its own part of a batch."""

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


class BroadcastBuffers(Callback):
    """All ranks judge the network that checkpoints hold: with the statistics of rank 0.

    Under manual optimization DDP leaves each rank its own, and a checkpoint knows those of rank 0.
    """

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hand them out."""
        if trainer.world_size > 1:
            for buffer in pl_module.buffers():
                torch.distributed.broadcast(buffer, 0)
