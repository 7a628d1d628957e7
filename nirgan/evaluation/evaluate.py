"""Evaluates methods on pictures, and aggregates the scores."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from nirgan.data.datamodule import PatchDataModule
from nirgan.data.datasets import StoredBatch
from nirgan.data.images import signed_to_unit
from nirgan.metrics import METRICS

MetricRow = dict[str, float]
"""A method's figures, by names of `METRICS`."""
Sums = Mapping[str, tuple[float, float]]
"""By names of `METRICS`, numerator and denominator (see `PerImageMetric`) of pictures."""
Colorize = Callable[[Tensor], Tensor]
"""B x 3 x H x W in [-1, 1] (three copies of the NIR band) to colors, the same."""


@dataclass(frozen=True)
class ImageScore:
    """What a picture adds to each metric; `name` is empty for patches, else category and id."""

    name: str
    sums: Sums


def judge(
    colorize: Colorize,
    loader: DataLoader[StoredBatch],
    data: PatchDataModule,
    device: torch.device,
    keep: Callable[[str, Tensor], object] = lambda name, output: None,
) -> Iterator[ImageScore]:
    """Judge a method on every picture that a loader of a data module gives.

    The method computes on the device. `keep` is given the name and the output of every picture,
    3 x H x W in [0, 1].
    """
    for stored in loader:
        on_device = stored | {"pixels": stored["pixels"].to(device)}
        batch = data.on_after_batch_transfer(on_device, 0)
        with torch.inference_mode():
            output, truth = signed_to_unit(colorize(batch["triplet"])), signed_to_unit(batch["rgb"])
        scores = score_images(batch.get("names", [""] * len(truth)), output, truth)
        for score, picture in zip(scores, output, strict=True):
            keep(score.name, picture)
            yield score


def score_images(names: Sequence[str], output: Tensor, truth: Tensor) -> list[ImageScore]:
    """Judge pictures, B x 3 x H x W in [0, 1], against the truth."""
    scores = {}
    for metric, reported in METRICS.items():
        both = reported.scorer.to(output.device).score(output, truth)
        scores[metric] = list(zip(*(x.tolist() for x in both), strict=True))
    return [ImageScore(n, {m: scores[m][i] for m in scores}) for i, n in enumerate(names)]


def add(pictures: Iterable[Sums]) -> Sums:
    """Add up the sums of pictures, for those metrics that all of them have."""
    of_all = list(pictures)
    return {
        name: (sum(p[name][0] for p in of_all), sum(p[name][1] for p in of_all))
        for name in METRICS
        if all(name in p for p in of_all)
    }


def aggregate(pictures: Iterable[Sums]) -> MetricRow:
    """Compute the metrics over pictures from their sums; nan where nothing counts."""
    return {
        name: METRICS[name].scorer.value_from_sums(*torch.tensor(sums, dtype=torch.float64)).item()
        for name, sums in add(pictures).items()
    }


def cells(row: Mapping[str, float | None]) -> dict[str, str]:
    """Format a row's values, keyed by column heading."""
    return {m.heading: m.text(row[name]) for name, m in METRICS.items() if name in row}
