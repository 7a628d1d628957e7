"""Mean angular error as a metric: eq. 5 of Suárez, Sappa and Vintimilla 2017."""

from typing import Any, Literal

import torch
from torch import Tensor

from nirgan.metrics.functional import Convention, angular_error
from nirgan.metrics.per_image import PerImageMetric
from nirgan.utils.color_spaces import is_colored


class AngularError(PerImageMetric):
    """Mean angle between predicted and true RGB vectors, in degrees, from 0 to 90.

    Args:
        reduction: `pixels` averages over every pixel of the whole set, as the paper does; `images`
            averages each picture first, then over pictures, as most later work does.
        convention: `exact` leaves out pixels without color (see `UndefinedPixels`); `epsilon` is
            usual, with 1e-6 in the denominator, see `nirgan.metrics.functional.angular_error`.
        least_chroma: Only pixels where the truth's CIELAB chroma exceeds this count; None: all.
            Over all pixels, grey pictures have a low error.

    Example:
        >>> import torch
        >>> red_and_white = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 1.0]]).view(1, 3, 1, 2)
        >>> metric = AngularError()
        >>> metric.update(red_and_white, torch.ones(1, 3, 1, 2))
        >>> metric.compute()
        tensor(27.3678)
    """

    higher_is_better = False
    plot_lower_bound = 0.0
    plot_upper_bound = 90.0

    def __init__(
        self,
        reduction: Literal["pixels", "images"] = "pixels",
        convention: Convention = "exact",
        least_chroma: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if reduction not in ("pixels", "images"):
            raise ValueError(f"reduction is {reduction!r}, expected 'pixels' or 'images'")
        if convention not in ("exact", "epsilon"):
            raise ValueError(f"convention is {convention!r}, expected 'exact' or 'epsilon'")
        self.reduction, self.convention = reduction, convention
        self.least_chroma = least_chroma

    def score(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the angles of each picture and number of its pixels; or their mean, and 1."""
        angles, counted = angular_error(prediction, target, self.convention)
        if self.least_chroma is not None:
            counted = counted & is_colored(target, self.least_chroma)
            angles = torch.where(counted, angles, 0)
        sums, pixels = angles.double().sum((1, 2)), counted.double().sum((1, 2))
        if self.reduction == "pixels":
            return sums, pixels
        return sums / pixels.clamp(min=1), (pixels > 0).double()


class UndefinedPixels(PerImageMetric):
    """How many pixels `AngularError` leaves out because one of their two vectors is zero."""

    def score(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Their number in each picture, and 0: it is no ratio."""
        left_out = ~angular_error(prediction, target)[1]
        return left_out.double().sum((1, 2)), torch.zeros(len(left_out), device=left_out.device)

    @staticmethod
    def value_from_sums(numerator: Tensor, denominator: Tensor) -> Tensor:
        """Their number in all pictures."""
        return numerator
