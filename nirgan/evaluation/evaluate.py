"""One loop that judges any method: what a table's rows have in common."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import nan
from statistics import fmean

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from nirgan.data.datamodule import PatchDataModule
from nirgan.data.datasets import StoredBatch
from nirgan.data.images import signed_to_unit
from nirgan.metrics.color_difference import ciede2000
from nirgan.metrics.colorfulness import colorfulness
from nirgan.metrics.functional import angular_error
from nirgan.utils.color_spaces import is_colored

Row = dict[str, float]
COLUMNS = {
    "angular_error": ("angular error (deg)", 2),
    "angular_error_images": ("mean of images (deg)", 2),
    "angular_error_colored": ("where colored (deg)", 2),
    "ciede2000": ("CIEDE2000", 2),
    "colorfulness": ("colorfulness / truth", 2),
    "psnr": ("PSNR (dB)", 2),
    "ssim": ("SSIM", 3),
    "undefined_pixels": ("pixels left out", 0),
}
"""Heading and digits of every figure of a row."""
Colorize = Callable[[Tensor], Tensor]
"""B x 3 x H x W in [-1, 1] (three copies of the NIR band) to colors, the same."""


@dataclass(frozen=True)
class ImageScore:
    """What one picture scored.

    Attributes:
        name: Category and id of the pair, where whole regions are judged.
        angles: Sum of the angular errors of all pixels that count, in degrees.
        pixels: How many count.
        undefined: How many are left out, since one of their two vectors is zero.
        psnr: In dB.
        ssim: Structural similarity.
        colored_angles: As `angles`, of those pixels where the truth has color.
        colored_pixels: How many these are.
        ciede2000: Mean color difference.
        colorfulness: Of the picture.
        true_colorfulness: Of the truth.
    """

    name: str
    angles: float
    pixels: int
    undefined: int
    psnr: float
    ssim: float
    colored_angles: float = nan
    colored_pixels: int = 0
    ciede2000: float = nan
    colorfulness: float = nan
    true_colorfulness: float = nan


def judge(
    colorize: Colorize,
    loader: DataLoader[StoredBatch],
    data: PatchDataModule,
    device: torch.device,
    keep: Callable[[str, Tensor], None] | None = None,
) -> Iterator[ImageScore]:
    """Judge a method on every picture that a loader gives.

    Args:
        colorize: The method.
        loader: One of the data module's.
        data: The data module.
        device: Where `colorize` computes.
        keep: Is given the name and the output of every picture, 3 x H x W in [0, 1].
    """
    for stored in loader:
        on_device = stored | {"pixels": stored["pixels"].to(device)}
        batch = data.on_after_batch_transfer(on_device, 0)
        with torch.inference_mode():
            output, truth = signed_to_unit(colorize(batch["triplet"])), signed_to_unit(batch["rgb"])
        names = batch.get("names", [""] * len(truth))
        for name, picture, true in zip(names, output, truth, strict=True):
            yield score_image(name, picture, true)
            if keep is not None:
                keep(name, picture)


def score_image(name: str, picture: Tensor, truth: Tensor) -> ImageScore:
    """Judge one picture, 3 x H x W in [0, 1], against the truth."""
    pair = picture[None].contiguous(), truth[None].contiguous()
    angles, counted = angular_error(*pair)
    pixels = int(counted.sum())
    colored = counted & is_colored(pair[1])
    return ImageScore(
        name,
        angles.double().sum().item(),
        pixels,
        counted.numel() - pixels,
        peak_signal_noise_ratio(*pair, data_range=1.0).item(),
        structural_similarity_index_measure(*pair, data_range=1.0).item(),  # type: ignore[union-attr]
        angles[colored].double().sum().item(),
        int(colored.sum()),
        ciede2000(*pair).mean().item(),
        *(colorfulness(picture).item() for picture in pair),
    )


def aggregate(judgements: Sequence[ImageScore]) -> Row:
    """The figures of a table's row.

    Returns:
        What `COLUMNS` names, and as `nirgan.metrics.colorization_metrics` computes it; nan where
        nothing counts.
    """
    counting = [j for j in judgements if j.pixels]
    pixels = sum(j.pixels for j in counting)
    colored = [j.colored_angles / j.colored_pixels for j in judgements if j.colored_pixels]
    true_colorfulness = fmean(j.true_colorfulness for j in judgements)
    return {
        "angular_error": sum(j.angles for j in counting) / pixels if pixels else nan,
        "angular_error_images": fmean(j.angles / j.pixels for j in counting) if pixels else nan,
        "undefined_pixels": sum(j.undefined for j in judgements),
        "angular_error_colored": fmean(colored) if colored else nan,
        "ciede2000": fmean(j.ciede2000 for j in judgements),
        "colorfulness": fmean(j.colorfulness for j in judgements) / true_colorfulness
        if true_colorfulness
        else nan,
        "psnr": fmean(j.psnr for j in judgements),
        "ssim": fmean(j.ssim for j in judgements),
    }
