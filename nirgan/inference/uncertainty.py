"""Estimates the angular error of colors from the colors themselves.

A network that minimizes a distance gives vivid colors only where it is confident, and an error of
the same size turns a dark color by a larger angle. On unseen scenes, the square root of the angle
to grey over the brightness predicts the true angular error better than the changes of colors under
mirroring and brightening, which take six passes (`benchmarks/card.py` measures both).
"""

import torch
from torch import Tensor

from nirgan.metrics.functional import angular_error

ANGLE_OFFSET_DEG = 2.0
"""Degrees that are added to the angle to grey, since grey may be wrong too."""
BRIGHTNESS_OFFSET = 0.1
"""Added to the brightness, in [0, 1], which is divided by and may be 0."""
CALIBRATION_FACTOR = 1.4
"""Scales the estimate to the mean of the true error: 4.8 for 4.2 degrees on unseen scenes."""


def expected_error(colors: Tensor) -> Tensor:
    """The expected angular error, B x H x W in degrees, of B x 3 x H x W in [0, 1]."""
    colors = colors.float()
    to_grey, _ = angular_error(colors, torch.ones_like(colors))
    ratio = (to_grey + ANGLE_OFFSET_DEG) / (colors.mean(1) + BRIGHTNESS_OFFSET)
    return CALIBRATION_FACTOR * ratio.sqrt()
