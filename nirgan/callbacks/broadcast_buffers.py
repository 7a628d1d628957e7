"""Makes all ranks validate with the same batch-norm statistics."""

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


class BroadcastBuffers(Callback):
    """Broadcasts the buffers of rank 0 before validation, since checkpoints hold those.

    Under manual optimization, DDP does not synchronize buffers: every rank has the batch-norm
    statistics of its own part of the batches.
    """

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Broadcast the buffers of rank 0."""
        if trainer.world_size > 1:
            for buffer in pl_module.buffers():
                torch.distributed.broadcast(buffer, 0)
