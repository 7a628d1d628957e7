"""Metrics that do not forgive grey, against independent references."""

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, rgb2lab

from nirgan.metrics import CIEDE2000, AngularError, ColorfulnessRatio, colorization_metrics
from nirgan.metrics.color_difference import ciede2000, ciede2000_of_lab
from nirgan.metrics.colorfulness import colorfulness
from nirgan.metrics.functional import angular_error

# Sharma, Wu and Dalal 2005, table 1: pairs where implementations go wrong.
PAIRS = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.4900, -0.0010), (50, -2.4900, 0.0009), 7.1792),
    ((50, 2.4900, -0.0010), (50, -2.4900, 0.0011), 7.2195),
    ((50, -0.0010, 2.4900), (50, 0.0010, -2.4900), 4.8045),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


def pictures(seed=0, size=(24, 32)):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(3, 3, *size, generator=generator)
    output = 0.8 * truth + 0.2 * torch.rand(3, 3, *size, generator=generator)
    output[..., :5] = output[:, :1, :, :5]  # grey
    truth[:, :, :4] = truth[:, :1, :4]
    return output, truth


@pytest.mark.parametrize(("first", "second", "expected"), PAIRS)
def test_ciede2000_of_published_pairs(first, second, expected):
    a, b = (torch.tensor(x, dtype=torch.float64).view(1, 3, 1, 1) for x in (first, second))
    for pair in ((a, b), (b, a)):
        assert ciede2000_of_lab(*pair).item() == pytest.approx(expected, abs=1e-4)


def test_ciede2000_is_that_of_scikit_image():
    output, truth = (x.contiguous(memory_format=torch.channels_last) for x in pictures())
    expected = deltaE_ciede2000(
        *(rgb2lab(x.double().permute(0, 2, 3, 1).numpy()) for x in (output, truth))
    )
    assert ciede2000(output, truth).numpy() == pytest.approx(expected, abs=5e-3)
    metric = CIEDE2000()
    metric.update(output[:1], truth[:1])
    metric.update(output[1:], truth[1:])
    assert metric.compute().item() == pytest.approx(expected.mean(), abs=1e-3)


def test_colorfulness_is_hasler_and_suesstrunks():
    output, truth = (x.contiguous(memory_format=torch.channels_last) for x in pictures())

    def by_hand(picture):
        red, green, blue = picture.double().numpy() * 255
        rg, yb = red - green, 0.5 * (red + green) - blue
        return np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())

    hands = [np.array([by_hand(p) for p in some]) for some in (output, truth)]
    for some, hand in zip((output, truth), hands, strict=True):
        assert colorfulness(some).numpy() == pytest.approx(hand)
    metric = ColorfulnessRatio()
    metric.update(output, truth)
    assert metric.compute().item() == pytest.approx(hands[0].mean() / hands[1].mean())


def test_the_angle_where_the_truth_has_color():
    least = 40.0  # not what the reported metric has
    output, truth = pictures()
    angles, counted = (x.numpy() for x in angular_error(output, truth))
    lab = rgb2lab(truth.double().permute(0, 2, 3, 1).numpy())
    colored = counted & (np.hypot(lab[..., 1], lab[..., 2]) > least)
    assert 0.1 < colored.mean() < 0.99
    expected = np.mean([a[c].mean() for a, c in zip(angles, colored, strict=True)])
    metric = AngularError("images", least_chroma=least)
    metric.update(output, truth)
    assert metric.compute().item() == pytest.approx(expected, rel=1e-4)


def test_grey_is_not_forgiven():
    _, truth = pictures()
    grey = truth.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    metrics = colorization_metrics("")
    metrics.update(grey, truth)
    values = metrics.compute()
    assert values["colorfulness"] < 1e-4
    assert values["angular_error_colored"] > values["angular_error_images"]


@pytest.mark.parametrize("metric", [CIEDE2000, ColorfulnessRatio])
def test_what_is_no_picture_from_0_to_1_is_named(metric):
    output, truth = pictures()
    with pytest.raises(ValueError, match=r"prediction has values from -.* expected \[0, 1\]"):
        metric().update(output * 2 - 1, truth)
