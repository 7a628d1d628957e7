"""Mean angular error as a metric: eq. 5 of Suárez, Sappa and Vintimilla 2017."""

from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from nirgan.metrics.functional import Convention, angular_error
from nirgan.utils.color_spaces import is_colored


class AngularError(Metric):
    """Mean angle between predicted and true RGB vectors, in degrees, from 0 to 90.

    Args:
        reduction: `pixels` averages over every pixel of the whole set, as the paper does; `images`
            averages each picture first, then over pictures, as most later work does.
        convention: `exact` leaves out pixels without color (and counts them in
            `undefined_pixels`); `epsilon` is the usual one with 1e-6 in the denominator, see
            `nirgan.metrics.functional.angular_error`.
        least_chroma: Only pixels count where the truth's CIELAB chroma exceeds this; None: all do.
            Over all pixels, a picture without color scores well.
        kwargs: Of `torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> red_and_white = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 1.0]]).view(1, 3, 1, 2)
        >>> metric = AngularError()
        >>> metric.update(red_and_white, torch.ones(1, 3, 1, 2))
        >>> metric.compute()
        tensor(27.3678)
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound = 90.0

    total: Tensor
    count: Tensor
    images_total: Tensor
    images: Tensor
    undefined: Tensor

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
        # Both means are kept, so that metrics that differ in the reduction share their states.
        for name in ("total", "count", "images_total", "images", "undefined"):
            self.add_state(name, torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add pictures.

        Args:
            prediction: B x 3 x H x W in [0, 1].
            target: The same.

        Raises:
            ValueError: The shapes differ or are not B x 3 x H x W, or values lie outside [0, 1].
        """
        angles, counted = angular_error(prediction, target, self.convention)
        if self.least_chroma is not None:
            counted = counted & is_colored(target, self.least_chroma)
            angles = torch.where(counted, angles, 0)
        sums = angles.double().sum((1, 2))
        counts = counted.double().sum((1, 2))
        self.total += sums.sum()
        self.count += counts.sum()
        self.images_total += (sums / counts.clamp(min=1)).sum()
        self.images += (counts > 0).sum()
        self.undefined += counted.numel() - counts.sum()

    def compute(self) -> Tensor:
        """The mean in degrees, float32; nan if no pixel counts."""
        if self.reduction == "pixels":
            return (self.total / self.count).float()
        return (self.images_total / self.images).float()


class UndefinedPixels(AngularError):
    """How many pixels `AngularError` leaves out because one of their two vectors is zero."""

    def compute(self) -> Tensor:
        """The number, float32."""
        return self.undefined.float()
