"""What tables say is what the metrics of training say, and skips what has no color."""

import math

import pytest
import torch
from torchmetrics import MeanSquaredError
from torchmetrics.image import PeakSignalNoiseRatio

from nirgan.evaluation.evaluate import aggregate, score_images
from nirgan.metrics import METRICS, MeanOfImages, ReportedMetric, colorization_metrics


def pairs():
    random = torch.Generator().manual_seed(0)
    for height in (40, 24, 64):
        truth = torch.rand(3, height, 48, generator=random)
        output = (truth + 0.2 * torch.rand(3, height, 48, generator=random)).clamp(0, 1)
        output[:, :3, :5] = 0
        yield output, truth


def test_pooled_judgements_equal_the_metrics():
    metrics = colorization_metrics("")
    judged = []
    for output, truth in pairs():
        metrics.update(output[None], truth[None])
        judged += score_images([""], output[None], truth[None])
    expected = {name: value.item() for name, value in metrics.compute().items()}
    row = aggregate(score.sums for score in judged)
    assert row == pytest.approx(expected, rel=1e-6)
    assert list(row) == list(METRICS)
    assert row["undefined_pixels"] == 45


def test_a_picture_without_color_counts_in_no_mean():
    black = torch.zeros(3, 16, 16)
    (output, truth), *_ = pairs()
    (seen,) = score_images(["seen"], output[None], truth[None])
    (unseen,) = score_images(["black"], black[None], black[None])
    both = aggregate([unseen.sums, seen.sums])
    angles, pixels = seen.sums["angular_error"]
    assert both["angular_error"] == both["angular_error_images"] == angles / pixels
    assert both["undefined_pixels"] == 256 + 15
    assert math.isnan(aggregate([unseen.sums])["angular_error"])


def test_any_metric_of_torchmetrics_becomes_the_mean_of_the_pictures():
    """Also one that gives a single number of a batch, and one that keeps what it has seen."""
    random = torch.Generator().manual_seed(1)
    output, truth = (torch.rand(3, 3, 8, 9, generator=random) for _ in range(2))
    for metric in (MeanSquaredError(), PeakSignalNoiseRatio(data_range=1.0)):
        alone = [
            metric.clone()(*(x[None] for x in pair)) for pair in zip(output, truth, strict=True)
        ]
        mean = ReportedMetric(metric, "mine").make()
        assert isinstance(mean, MeanOfImages)
        mean.update(output[:2].to(memory_format=torch.channels_last), truth[:2])
        mean.update(output[2:], truth[2:])
        assert mean.compute() == pytest.approx(sum(alone).item() / 3)
        assert not mean.metric.update_called  # what it keeps of pictures would grow


def test_metrics_whose_first_batches_add_up_to_the_same_are_not_taken_for_one():
    """All pixels of the first batch are colored, none of the second is."""
    red, grey = (
        torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1).expand(1, 3, 16, 16),
        torch.ones(1, 3, 16, 16),
    )
    metrics = colorization_metrics("")
    metrics.update(grey, red)
    metrics.update(grey, grey)
    values = metrics.compute()
    assert values["angular_error_images"] == pytest.approx(values["angular_error_colored"] / 2)


def test_what_not_all_pictures_have_is_no_figure():
    first, second = ({"ssim": (0.5, 1), "psnr": (20, 1)}, {"psnr": (30, 1)})
    assert aggregate([first, second]) == {"psnr": 25}
