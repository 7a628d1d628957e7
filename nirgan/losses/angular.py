"""Losses on the angle between RGB vectors."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from nirgan.utils.color_spaces import is_colored
from nirgan.utils.recording import Recorded


class AngularLoss(Recorded, nn.Module):
    """Mean of 1 - cos(angle) between predicted and true RGB vectors, from 0 to 1.

    The gradient of the angle itself jumps at 0; 1 - cos is smooth there, and about proportional to
    the square of the angle.
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of pictures, both B x 3 x H x W in [0, 1]: a scalar."""
        return (1 - cosine_similarity(prediction.float(), target.float(), dim=1, eps=1e-4)).mean()


class AngleLoss(Recorded, nn.Module):
    """Mean angle between predicted and true RGB vectors, in radians (eq. 5)."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of pictures, both B x 3 x H x W in [0, 1]: a scalar."""
        return _angles(prediction, target).mean()


class ColoredAngleLoss(Recorded, nn.Module):
    """`AngleLoss` over the pixels where the truth's CIELAB chroma exceeds 15.

    Such pixels are rare, and uncertain networks make them grey.
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of pictures, both B x 3 x H x W in [0, 1]: a scalar, 0 if no pixel has color."""
        colored = is_colored(target)
        return (_angles(prediction, target) * colored).sum() / colored.sum().clamp(min=1)


def _angles(prediction: Tensor, target: Tensor) -> Tensor:
    """As `nirgan.metrics.functional.angular_error`, B x H x W in radians.

    It is smoothed below 0.06 degrees, so that its gradient is finite; black counts 90 degrees.
    """
    u, v = (
        x * _squared_length(x).clamp(min=1e-8).rsqrt()[:, None]
        for x in (prediction.float(), target.float())
    )
    apart, together = ((_squared_length(x) + 1e-6).sqrt() for x in (u - v, u + v))
    return 2 * torch.atan2(apart, together)


def _squared_length(vectors: Tensor) -> Tensor:
    """Channel by channel: torch takes much longer for sums over an axis of three numbers."""
    red, green, blue = vectors.unbind(1)
    return red * red + green * green + blue * blue
