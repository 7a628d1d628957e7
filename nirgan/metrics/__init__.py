"""How color pictures are judged. All metrics take B x 3 x H x W in [0, 1].

A metric has one line, in `METRICS`. From there it is in the log, in every table, in `results.json`,
in a benchmark and its intervals, and a sweep knows its direction.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from torchmetrics import Metric, MetricCollection
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

from nirgan.metrics.angular_error import AngularError, UndefinedPixels
from nirgan.metrics.color_difference import CIEDE2000
from nirgan.metrics.colorfulness import ColorfulnessRatio
from nirgan.metrics.per_image import MeanOfImages, PerImageMetric
from nirgan.utils.color_spaces import COLORED_MIN_CHROMA

__all__ = [
    "CIEDE2000",
    "MAIN",
    "METRICS",
    "AngularError",
    "ColorfulnessRatio",
    "MeanOfImages",
    "PerImageMetric",
    "ReportedMetric",
    "UndefinedPixels",
    "colorization_metrics",
]


@dataclass(frozen=True)
class ReportedMetric:
    """A metric, and how its figures are written.

    Attributes:
        metric: A `PerImageMetric`, or any other of torchmetrics, of which the mean over pictures
            is taken. Its `higher_is_better` is the direction; None: neither way is better.
        label, unit, digits: Of its column; digits after the decimal point.
    """

    metric: Metric
    label: str
    unit: str = ""
    digits: int = 2

    def __post_init__(self) -> None:
        """Refuse anything but a metric object, a class for instance."""
        if not isinstance(self.metric, Metric):
            raise TypeError(f"METRICS: {self.label}: expected a Metric object, got {self.metric!r}")

    @property
    def heading(self) -> str:
        """Label and unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def unit_in_words(self) -> str:
        """The unit within a sentence."""
        return {"deg": "degrees"}.get(self.unit, self.unit)

    def text(self, value: float | None, sign: Literal["", "+"] = "") -> str:
        """Format a value for a table, a difference with its sign; empty for None."""
        return "" if value is None else f"{value:{sign}.{self.digits}f}"

    @cached_property
    def scorer(self) -> PerImageMetric:
        """A metric for `score` alone, whose own sums are not used."""
        return self.make()

    def make(self) -> PerImageMetric:
        """A new metric with empty state."""
        new = self.metric.clone()
        return new if isinstance(new, PerImageMetric) else MeanOfImages(new)


# With a data range taken from the prediction, as some code has it, SSIM differs by hundredths.
_PSNR = PeakSignalNoiseRatio(data_range=1.0, dim=(1, 2, 3), reduction="none")
_SSIM = StructuralSimilarityIndexMeasure(data_range=1.0, reduction="none")

METRICS = {
    "angular_error": ReportedMetric(AngularError(), "angular error", "deg"),
    "angular_error_images": ReportedMetric(AngularError("images"), "mean of images", "deg"),
    "angular_error_colored": ReportedMetric(
        AngularError("images", least_chroma=COLORED_MIN_CHROMA), "where colored", "deg"
    ),
    "ciede2000": ReportedMetric(CIEDE2000(), "CIEDE2000"),
    "colorfulness": ReportedMetric(ColorfulnessRatio(), "colorfulness / truth"),
    "psnr": ReportedMetric(_PSNR, "PSNR", "dB"),
    "ssim": ReportedMetric(_SSIM, "SSIM", digits=3),
    "undefined_pixels": ReportedMetric(UndefinedPixels(), "pixels left out", digits=0),
}
"""The metrics that are reported, in the order of a table's columns."""

MAIN = "angular_error"
"""The metric of a benchmark's overview, learning curves and sentences."""


def larger_is_better(logged: str) -> bool:
    """Whether larger values of a logged metric, `val/psnr` say, are better; False for losses."""
    reported = METRICS.get(logged.partition("/")[2])
    return bool(reported and reported.metric.higher_is_better)


def logged_text(logged: str, value: float) -> str:
    """A figure of a logged metric or loss; a digit more than in tables: trials are alike."""
    reported = METRICS.get(logged.partition("/")[2])
    return f"{value:.{reported.digits + 1 if reported else 3}f}"


def colorization_metrics(prefix: str) -> MetricCollection:
    """All of `METRICS`, as a task logs them, with a prefix before each name, `val/` say."""
    # No groups: torchmetrics would take metrics for one whose first batches add up to the same.
    metrics: dict[str, Metric | MetricCollection] = {
        name: metric.make() for name, metric in METRICS.items()
    }
    return MetricCollection(metrics, prefix=prefix, compute_groups=False)
