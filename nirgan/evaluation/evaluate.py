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
from nirgan.data.datasets import Stored
from nirgan.data.images import signed_to_unit
from nirgan.metrics.functional import angular_error

Row = dict[str, float]
Colorize = Callable[[Tensor], Tensor]
"""B x 3 x H x W in [-1, 1] (three copies of the NIR band) to colours, the same."""


@dataclass(frozen=True)
class Judgement:
    """What one picture scored.

    Attributes:
        name: Category and id of the pair, where whole regions are judged.
        angles: Sum of the angular errors of all pixels that count, in degrees.
        pixels: How many count.
        undefined: How many are left out, since one of their two vectors is zero.
        psnr: In dB.
        ssim: Structural similarity.
    """

    name: str
    angles: float
    pixels: int
    undefined: int
    psnr: float
    ssim: float


def judge(
    colorize: Colorize,
    loader: DataLoader[Stored],
    data: PatchDataModule,
    device: torch.device,
    keep: Callable[[str, Tensor], None] | None = None,
) -> Iterator[Judgement]:
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
            yield judge_picture(name, picture, true)
            if keep is not None:
                keep(name, picture)


def judge_picture(name: str, picture: Tensor, truth: Tensor) -> Judgement:
    """Judge one picture, 3 x H x W in [0, 1], against the truth."""
    pair = picture[None], truth[None]
    angles, counted = angular_error(*pair)
    pixels = int(counted.sum())
    return Judgement(
        name,
        angles.double().sum().item(),
        pixels,
        counted.numel() - pixels,
        peak_signal_noise_ratio(*pair, data_range=1.0).item(),
        structural_similarity_index_measure(*pair, data_range=1.0).item(),  # type: ignore[union-attr]
    )


def pool(judgements: Sequence[Judgement]) -> Row:
    """The figures of a table's row.

    Returns:
        angular_error (over all pixels, the paper's) and angular_error_images (mean of the
        pictures') in degrees, undefined_pixels, psnr in dB, ssim; nan where nothing counts.
    """
    counting = [j for j in judgements if j.pixels]
    pixels = sum(j.pixels for j in counting)
    return {
        "angular_error": sum(j.angles for j in counting) / pixels if pixels else nan,
        "angular_error_images": fmean(j.angles / j.pixels for j in counting) if pixels else nan,
        "undefined_pixels": sum(j.undefined for j in judgements),
        "psnr": fmean(j.psnr for j in judgements),
        "ssim": fmean(j.ssim for j in judgements),
    }
