"""Means over scenes, differences between methods, and how far other scenes might move them.

Pixels of one picture are alike, and pictures of one scene are; only scenes are drawn independently.
So scenes are what the bootstrap draws. The interval is the symmetric studentized one (Hall, "On
symmetric bootstrap confidence intervals", J. R. Statist. Soc. B 50, 1988). With the twenty scenes
that a category has, the percentile interval at 95% covered the truth in 91 to 93% of simulated
cases, this one in 94 to 97% (tests/evaluation/test_statistics.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
CONFIDENCE = 0.95
MIN_SCENES = 5
"""Scenes; with four the interval covers the truth in 84 to 88% of cases."""

Scenes = Mapping[str, tuple[float, float]]
"""By scene: the sum of the angular errors of its pixels in degrees, and their number."""


@dataclass(frozen=True)
class Interval:
    """A difference in degrees, between `low` and `high` with 95% confidence.

    Attributes:
        value: The first method's pooled angular error minus the second's; below 0 it is better.
        low, high: The interval; None where there are fewer than five scenes, or no figures.
        scenes: How many there are.
    """

    value: float
    low: float | None
    high: float | None
    scenes: int


def by_scene(images: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """Sum up judged pictures of one method: those of a scene, and of several seeds, together.

    Args:
        images: With `scene`, `angles` and `pixels`.
    """
    sums: dict[str, tuple[float, float]] = {}
    for image in images:
        angles, pixels = sums.get(image["scene"], (0.0, 0.0))
        sums[image["scene"]] = (angles + image["angles"], pixels + image["pixels"])
    return sums


def difference(first: Scenes, second: Scenes, seed: int = 0) -> Interval:
    """How much two methods differ on the same scenes.

    Args:
        first: A method's sums.
        second: Another's.
        seed: Of the bootstrap.

    Raises:
        ValueError: The two were not judged on the same scenes.
    """
    if first.keys() != second.keys():
        raise ValueError("the two methods were judged on different scenes")
    names = sorted(first)
    sums = np.array([[*first[name], *second[name]] for name in names], np.float64).T
    n = len(names)
    with np.errstate(invalid="ignore"):  # of a method without color no pixel counts
        value = float(_difference(sums.sum(1)))
    spread = float(_standard_error(sums, np.ones((1, n)))[0]) if n >= MIN_SCENES else np.nan
    if not np.isfinite(spread):
        return Interval(value, None, None, n)
    if spread < 1e-9 * max(1.0, abs(value)):
        return Interval(value, value, value, n)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    drawn = draws[(draws > 0).sum(1) > 2].astype(np.float64)
    errors = _standard_error(sums, drawn)
    kept = errors > spread * 1e-6  # the others drew scenes without any spread
    t = np.abs(_difference(sums @ drawn[kept].T) - value) / errors[kept]
    margin = float(np.quantile(t, CONFIDENCE)) * spread
    return Interval(value, value - margin, value + margin, n)


def _difference(sums: npt.NDArray[np.float64]) -> Any:
    return sums[0] / sums[1] - sums[2] / sums[3]


def _standard_error(
    sums: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Of the difference of two ratios, linearised, for every row of weights of the scenes."""
    n = weights.sum(1)
    total = sums @ weights.T
    influence = np.zeros_like(weights)
    for sign, angles, pixels in ((1, 0, 1), (-1, 2, 3)):
        ratio = (total[angles] / total[pixels])[:, None]
        influence += sign * (sums[angles] - ratio * sums[pixels]) / (total[pixels] / n)[:, None]
    variance = (weights * influence**2).sum(1) / (n * (n - 1))
    return np.asarray(np.sqrt(variance))
