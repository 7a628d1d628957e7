"""Writes sample pictures at every validation: metrics may improve while pictures get worse."""

from pathlib import Path

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger

from nirgan.data.datamodule import PatchDataModule
from nirgan.data.images import signed_to_unit, write_png
from nirgan.errors import NirganError
from nirgan.utils.image_grid import image_grid
from nirgan.utils.lightning_internals import batches_begun


class Pictures(Callback):
    """Writes NIR | output | truth of fixed validation patches and of one whole picture.

    They go to `pictures/` in the run's folder as PNG, and to Weights & Biases if it is among the
    loggers.

    Args:
        patches: Number of validation patches that are shown.
        whole: Whether one whole picture is shown too.

    Raises:
        NirganError: `patches` is negative.
    """

    def __init__(self, patches: int = 8, whole: bool = True) -> None:
        if patches < 0:
            raise NirganError(f"pictures.patches is {patches}, expected 0 or more")
        self.patches, self.whole = patches, whole

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Colorize and write the samples, with the weights that are validated."""
        if trainer.sanity_checking or trainer.fast_dev_run or not trainer.loggers:  # type: ignore[attr-defined]
            return
        folder = Path(trainer.log_dir or trainer.default_root_dir) / "pictures"  # asks all ranks
        if not trainer.is_global_zero:
            return
        data: PatchDataModule = trainer.datamodule  # type: ignore[attr-defined]
        shown = {}
        if self.patches:
            shown["patches"] = data.validation_batch(range(min(self.patches, data.val_patches)))
        if self.whole:
            shown["whole"] = data.region_batch(data.whole_pictures()[0], 0)
        step = batches_begun(trainer, of_epoch=True)
        label = f"epoch-{trainer.current_epoch:04d}-batch-{step:06d}"
        for name, batch in shown.items():
            with torch.inference_mode(), trainer.precision_plugin.forward_context():
                output = pl_module(batch["triplet"].to(pl_module.device)).float().cpu()
            columns = (signed_to_unit(pixels) for pixels in (batch["nir"], output, batch["rgb"]))
            file = folder / f"{name}-{label}.png"
            write_png(file, image_grid(list(zip(*columns, strict=True))))
            for logger in trainer.loggers:
                if isinstance(logger, WandbLogger):
                    logger.log_image(f"val/{name}", [str(file)], caption=["NIR | output | truth"])
