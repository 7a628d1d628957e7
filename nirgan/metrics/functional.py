"""The angle between colors: eq. 5 of Suárez, Sappa and Vintimilla 2017."""

from typing import Literal

import torch
from torch import Tensor

Convention = Literal["exact", "epsilon"]

RANGE_TOLERANCE = 1e-3
"""How far outside [0, 1] rounding may take a value."""

EPSILON = 1e-6
"""What the `epsilon` convention adds to the product of the norms."""


def angular_error(
    prediction: Tensor, target: Tensor, convention: Convention = "exact"
) -> tuple[Tensor, Tensor]:
    """Angle between the RGB vectors of every pixel, in degrees.

    The arc cosine of eq. 5 loses all accuracy near 0 and 180 degrees: in float32, equal pictures
    come out at up to 0.03 degrees. This is Kahan's form instead, 2 atan2(|u - v|, |u + v|) of the
    unit vectors u and v, which is accurate everywhere and exactly 0 for equal vectors.

    Args:
        prediction: B x 3 x H x W in [0, 1], any floating type; computed in float32 or wider.
        target: The same.
        convention: `exact` leaves out pixels without color (all channels 0, in either picture),
            since they have no direction. `epsilon` is what most code for NIR colorization computes:
            the arc cosine, with 1e-6 added to the product of the norms and no pixel left out. There
            equal pictures do not score 0, and a pixel without color counts 90 degrees.

    Returns:
        The angles, B x H x W, 0 where a pixel is left out; and which pixels count, B x H x W.

    Raises:
        ValueError: The shapes differ or are not B x 3 x H x W, or values lie outside [0, 1].
    """
    check_pictures(prediction, target)
    wide = torch.promote_types(torch.float32, torch.promote_types(prediction.dtype, target.dtype))
    prediction, target = (x.to(wide).clamp(0, 1) for x in (prediction, target))
    norms = _length(prediction), _length(target)
    if convention == "epsilon":
        cosine = (prediction * target).sum(1) / (norms[0] * norms[1] + EPSILON)
        angles = torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))
        return angles, torch.ones_like(angles, dtype=torch.bool)
    counted = (norms[0] != 0) & (norms[1] != 0)  # nan counts, and shows in the mean
    u = prediction / torch.where(counted, norms[0], 1).unsqueeze(1)
    v = target / torch.where(counted, norms[1], 1).unsqueeze(1)
    angles = 2 * torch.rad2deg(torch.atan2(_length(u - v), _length(u + v)))
    return torch.where(counted, angles, 0), counted


def _length(vectors: Tensor) -> Tensor:
    """Norm along dimension 1; torch's `norm` is many times slower there."""
    return vectors.square().sum(1).sqrt()


def check_pictures(prediction: Tensor, target: Tensor) -> None:
    """Look whether two pictures can be compared.

    Raises:
        ValueError: The shapes differ or are not B x 3 x H x W, or values lie outside [0, 1].
    """
    if prediction.shape != target.shape:
        raise ValueError(
            f"prediction is {tuple(prediction.shape)} and target {tuple(target.shape)}; "
            "both must be the same B x 3 x H x W"
        )
    if prediction.ndim != 4 or prediction.shape[1] != 3:
        raise ValueError(f"pictures are {tuple(prediction.shape)}, expected B x 3 x H x W")
    for name, picture in (("prediction", prediction), ("target", target)):
        if not picture.is_floating_point():
            raise ValueError(f"{name} holds {picture.dtype}, expected floating values in [0, 1]")
        if picture.numel() == 0:
            continue
        low, high = (value.item() for value in picture.aminmax())
        if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
            raise ValueError(
                f"{name} has values from {low:.3g} to {high:.3g}, expected [0, 1]; what is in "
                "[-1, 1] becomes so by (x + 1) / 2"
            )
