"""Batches and a trainer for tests of tasks."""

import lightning
import torch
from torch.utils.data import DataLoader


def batch(size=4, seed=0):
    random = torch.Generator().manual_seed(seed)
    draw = lambda c: torch.rand(size, c, 16, 16, generator=random) * 2 - 1  # noqa: E731
    nir = draw(1)
    return {"nir": nir, "triplet": nir.expand(-1, 3, -1, -1).contiguous(), "rgb": draw(3)}


def train(module, batches, **trainer):
    options = {
        "max_epochs": 1,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
    }
    options |= {"enable_progress_bar": False, "enable_model_summary": False} | trainer
    fitted = lightning.Trainer(**options)
    fitted.fit(module, DataLoader(batches, batch_size=None))
    return fitted
