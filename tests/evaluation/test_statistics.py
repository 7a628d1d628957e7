import numpy as np
import pytest

from nirgan.evaluation import statistics
from nirgan.evaluation.statistics import Interval, difference, differences


def sums(errors, pixels):
    return np.array([np.multiply(errors, pixels), pixels], float)


def against(first, second, seed=0):
    return difference(np.concatenate([first, second]), seed)


def image(scene, **pairs):
    return {"scene": scene, "sums": {name: (*pair,) for name, pair in pairs.items()}}


def test_pictures_of_a_scene_and_seeds_of_a_method_are_summed():
    first = [
        image("a", angular_error=(2, 1), ssim=(0.9, 1)),
        image("b", angular_error=(3, 2), ssim=(0.6, 1)),
        image("a", angular_error=(4, 5), ssim=(0.3, 1)),
    ]
    second = [image(scene, angular_error=(1, 1), ssim=(0.5, 1)) for scene in "ba"]
    found = differences(first, second)
    assert list(found) == ["angular_error", "ssim"]
    assert found["angular_error"] == Interval(pytest.approx(9 / 8 - 1), None, None, 2)
    assert found["ssim"].value == pytest.approx(0.6 - 0.5)


def test_a_metric_that_is_no_ratio_or_that_one_method_lacks_has_no_against():
    first = [image("a", psnr=(20, 1), undefined_pixels=(3, 0), ssim=(1, 1))]
    second = [image("a", psnr=(30, 1), undefined_pixels=(1, 0))]
    assert differences(first, second) == {"psnr": Interval(-10, None, None, 1)}


@pytest.mark.parametrize(
    ("metric", "low", "high", "better"),
    [
        ("angular_error", -2, -1, 1),
        ("angular_error", 1, 2, -1),
        ("angular_error", -1, 1, 0),
        ("ssim", 0.1, 0.2, 1),
        ("colorfulness", 0.1, 0.2, 0),  # neither way is better
        ("ssim", None, None, 0),
    ],
)
def test_which_is_better_is_the_metrics_direction(metric, low, high, better):
    assert Interval(0, low, high, 9).better(metric) == better


def test_the_value_is_the_difference_of_the_pooled_errors():
    first = sums([1, 3, 5, 2], [10, 10, 20, 40])
    second = sums([2, 2, 2, 2], [10, 10, 20, 40])
    assert against(first, second).value == pytest.approx(220 / 80 - 2)
    # Several seeds of one method on the same scenes count as one.
    assert against(3 * first, second) == against(first, second)


def test_a_constant_difference_is_certain_and_four_scenes_are_too_few():
    errors, pixels = np.array([1.0, 5, 3, 8, 2]), [10, 30, 20, 40, 10]
    same = against(sums(errors + 1, pixels), sums(errors, pixels))
    assert (same.value, same.low, same.high) == pytest.approx((1, 1, 1))
    few = against(sums([1, 2, 3, 4], [1] * 4), sums([2, 2, 2, 2], [1] * 4))
    assert few.value == pytest.approx(0.5)
    assert (few.low, few.high) == (None, None)


def test_of_scenes_only_those_with_pixels_that_count_are_enough():
    errors, pixels = np.array([1.0, 5, 3, 8, 2, 4]), np.array([10, 30, 20, 40, 0, 0])
    few = against(sums(errors + 1, pixels), sums(errors, pixels))
    assert (few.value, few.low, few.high) == (pytest.approx(1), None, None)
    pixels[4] = 10
    assert against(sums(errors + 1, pixels), sums(errors, pixels)).low == pytest.approx(1)


def test_equal_methods_do_not_differ_and_diverged_ones_cannot_be_compared():
    errors, pixels = [1.0, 5, 3, 8, 2, 4], [10, 30, 20, 40, 10, 10]
    alike = against(sums(errors, pixels), sums(errors, pixels))
    assert (alike.value, alike.low, alike.high) == (0, 0, 0)
    nothing = against(sums(errors, [0] * 6), sums(errors, pixels))
    assert (nothing.low, nothing.high) == (None, None)


def test_different_scenes_are_no_pair():
    with pytest.raises(ValueError, match="different scenes"):
        differences([image("a", psnr=(1, 1))], [image("b", psnr=(1, 1))])


@pytest.mark.parametrize(("skewed", "count"), [(False, 20), (True, 20), (False, 5)])
def test_the_interval_covers_the_truth_at_its_rate(skewed, count, monkeypatch):
    """Twenty scenes, as a category has; each differs from the others more than its pixels do."""
    monkeypatch.setattr(statistics, "RESAMPLES", 2000)
    random = np.random.default_rng(5)
    trials, covered, narrow = 600, 0, 0
    for trial in range(trials):
        pixels = random.integers(200_000, 600_000, count).astype(float)
        hard = random.gamma(4, 1.5, count) if skewed else random.normal(6, 1, count)
        effect = random.normal(-0.5, 1, count) * (hard / 6 if skewed else 1)
        found = against(sums(hard + effect, pixels), sums(hard, pixels), seed=trial)
        covered += found.low <= -0.5 <= found.high
        middle, third = (found.low + found.high) / 2, (found.high - found.low) / 6
        narrow += middle - third <= -0.5 <= middle + third
    assert covered / trials == pytest.approx(0.95, abs=0.025)
    assert narrow / trials < 0.75  # the test can tell: a third of the interval covers too seldom
