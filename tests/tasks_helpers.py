"""Batches and a trainer for tests of tasks."""

import copy

import lightning
import torch
from torch.utils.data import DataLoader

from nirgan.data.datamodule import PatchDataModule
from nirgan.data.sources.folder import Folder


def batch(size=4, seed=0):
    random = torch.Generator().manual_seed(seed)
    draw = lambda c: torch.rand(size, c, 16, 16, generator=random) * 2 - 1  # noqa: E731
    nir = draw(1)
    return {"nir": nir, "triplet": nir.expand(-1, 3, -1, -1).contiguous(), "rgb": draw(3)}


def data_of(pair_folder, **options):
    source = Folder(f"{pair_folder}/*_nir.png", f"{pair_folder}/*_rgb.png")
    return PatchDataModule(source, **{"patch": 32, "val_patches": 2, "batch_size": 4} | options)


def train(module, data, **trainer):
    """Fit on a list of batches, or on a data module."""
    options = {
        "max_epochs": 1,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
    }
    options |= {"enable_progress_bar": False, "enable_model_summary": False} | trainer
    fitted = lightning.Trainer(**options)
    if isinstance(data, lightning.LightningDataModule):
        fitted.fit(module, datamodule=data)
    else:
        fitted.fit(module, DataLoader(data, batch_size=None))
    return fitted


def moved_by_each_update(module):
    """Train on a batch: the parts of the task whose parameters each update changed, in order."""
    moved = []
    update = module.update

    def watched(optimizer, loss):
        before = copy.deepcopy(dict(module.named_parameters()))
        update(optimizer, loss)
        changed = (n for n, p in module.named_parameters() if not torch.equal(p, before[n]))
        moved.append({name.split(".")[0] for name in changed})

    module.update = watched
    train(module, [batch()])
    return moved
