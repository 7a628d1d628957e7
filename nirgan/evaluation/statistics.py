"""Means over scenes, differences between methods, and how far other scenes might move them.

Pixels of one picture are alike, and pictures of one scene are; only scenes are drawn independently.
So scenes are what the bootstrap draws. The interval is the symmetric studentized one (Hall, "On
symmetric bootstrap confidence intervals", J. R. Statist. Soc. B 50, 1988). With the twenty scenes
that a category has, the percentile interval at 95% covered the truth in 91 to 93% of simulated
cases, this one in 94 to 97% (tests/evaluation/test_statistics.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from nirgan.evaluation.evaluate import Sums, add
from nirgan.metrics import METRICS

RESAMPLES = 10_000
CONFIDENCE = 0.95
MIN_SCENES = 5
"""Scenes that count in a metric; with four the interval covers the truth in 84 to 88% of cases."""

Images = Sequence[Mapping[str, Any]]
"""Judged pictures, each with its `scene` and its `sums`, by metric."""


@dataclass(frozen=True)
class Interval:
    """A difference between two methods in one metric, between `low` and `high` with 95% confidence.

    These are None where fewer than five scenes count, have colored pixels for instance.
    """

    value: float  # the first method's figure minus the second's
    low: float | None
    high: float | None
    scenes: int

    def better(self, metric: str) -> int:
        """Which method is better: 1 the first, -1 the second, 0 if the interval shows neither."""
        upwards = METRICS[metric].metric.higher_is_better
        if upwards is None or self.low is None or self.high is None:
            return 0
        return ((self.low > 0) - (self.high < 0)) * (1 if upwards else -1)

    def text(self, metric: str) -> str:
        """The difference and its bounds, in the digits of the metric."""
        value, low, high = (METRICS[metric].text(v, "+") for v in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]" if low else value


def differences(first: Images, second: Images) -> dict[str, Interval]:
    """How much two methods differ in every metric that is a ratio, by its name.

    Pictures of a scene, and of several seeds, are summed up.

    Raises:
        ValueError: The two were not judged on the same scenes.
    """
    one, other = _by_scene(first), _by_scene(second)
    if one.keys() != other.keys():
        raise ValueError("the two methods were judged on different scenes")
    found = {}
    for name in METRICS:
        if all(name in sums for sums in (*one.values(), *other.values())):
            pairs = [[*one[scene][name], *other[scene][name]] for scene in sorted(one)]
            found[name] = difference(np.array(pairs, np.float64).T)
    return {name: interval for name, interval in found.items() if np.isfinite(interval.value)}


def _by_scene(images: Images) -> dict[str, Sums]:
    scenes: dict[str, list[Sums]] = {}
    for image in images:
        scenes.setdefault(image["scene"], []).append(image["sums"])
    return {scene: add(sums) for scene, sums in scenes.items()}


@np.errstate(invalid="ignore", divide="ignore")  # of a method without color no pixel counts
def difference(sums: npt.NDArray[np.float64], seed: int = 0) -> Interval:
    """How much two methods differ in one metric.

    The sums are 4 x scenes: numerator and denominator of the first method, then of the second.
    """
    n, counted = sums.shape[1], int((sums[1::2] != 0).all(0).sum())
    value = float(_difference(sums.sum(1)))
    spread = float(_standard_error(sums, np.ones((1, n)))[0]) if counted >= MIN_SCENES else np.nan
    if not np.isfinite(spread):
        return Interval(value, None, None, n)
    if spread < 1e-9 * max(1.0, abs(value)):
        return Interval(value, value, value, n)
    drawn = _draws(n, RESAMPLES, seed)
    errors = _standard_error(sums, drawn)
    kept = errors > spread * 1e-6  # the others drew scenes without any spread
    t = np.abs(_difference(sums @ drawn[kept].T) - value) / errors[kept]
    margin = float(np.quantile(t, CONFIDENCE)) * spread
    return Interval(value, value - margin, value + margin, n)


@lru_cache(maxsize=4)
def _draws(n: int, resamples: int, seed: int) -> npt.NDArray[np.float64]:
    """How often each of n scenes is drawn, a line a resample; at least three of them are."""
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), resamples)
    return np.asarray(draws[(draws > 0).sum(1) > 2], np.float64)


def _difference(sums: npt.NDArray[np.float64]) -> Any:
    return sums[0] / sums[1] - sums[2] / sums[3]


def _standard_error(
    sums: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Linearized standard error of the difference of two ratios, for each row of weights."""
    n = weights.sum(1)
    total = sums @ weights.T
    influence = np.zeros_like(weights)
    for sign, angles, pixels in ((1, 0, 1), (-1, 2, 3)):
        ratio = (total[angles] / total[pixels])[:, None]
        influence += sign * (sums[angles] - ratio * sums[pixels]) / (total[pixels] / n)[:, None]
    variance = (weights * influence**2).sum(1) / (n * (n - 1))
    return np.asarray(np.sqrt(variance))
