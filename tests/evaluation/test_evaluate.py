"""What tables say is what the metrics of training say, and skips what has no color."""

import math

import pytest
import torch

from nirgan.evaluation.evaluate import aggregate, score_image
from nirgan.metrics import colorization_metrics


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
        judged.append(score_image("", output, truth))
    expected = {name: value.item() for name, value in metrics.compute().items()}
    assert aggregate(judged) == pytest.approx(expected, rel=1e-5)
    assert aggregate(judged)["undefined_pixels"] == 45


def test_a_picture_without_color_counts_in_no_mean():
    black = torch.zeros(3, 16, 16)
    (output, truth), *_ = pairs()
    seen = score_image("", output, truth)
    both = aggregate([score_image("", black, black), seen])
    assert both["angular_error"] == both["angular_error_images"] == seen.angles / seen.pixels
    assert both["undefined_pixels"] == 256 + 15
    assert math.isnan(aggregate([score_image("", black, black)])["angular_error"])
