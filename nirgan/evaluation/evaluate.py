"""One loop that judges any method: what a table's rows have in common."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from nirgan.data.datamodule import PatchDataModule
from nirgan.data.datasets import Stored
from nirgan.data.images import signed_to_unit
from nirgan.metrics import colorization_metrics

Row = dict[str, float]


def evaluate(
    colorize: Callable[[Tensor], Tensor],
    loader: DataLoader[Stored],
    data: PatchDataModule,
    device: torch.device,
) -> Row:
    """Judge a method on everything a loader gives.

    Args:
        colorize: B x 3 x H x W in [-1, 1] (three copies of the NIR band) to colours, the same.
        loader: One of the data module's.
        data: The data module.
        device: Where `colorize` computes.

    Returns:
        angular_error and angular_error_images in degrees, undefined_pixels, psnr in dB, ssim.
    """
    metrics = colorization_metrics("", sync_on_compute=False).to(device)
    with torch.inference_mode():
        for stored in loader:
            batch = data.on_after_batch_transfer(
                stored | {"pixels": stored["pixels"].to(device)}, 0
            )
            metrics.update(signed_to_unit(colorize(batch["triplet"])), signed_to_unit(batch["rgb"]))
    return {name: cast(Tensor, value).item() for name, value in metrics.compute().items()}
