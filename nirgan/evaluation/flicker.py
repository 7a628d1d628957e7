"""How much colours flicker where nothing moves but the camera's noise.

A method that looks at single frames turns the noise of each into noise of its colours. How much is
seen beside the band itself, which flickers too.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nirgan.metrics.functional import angular_error


@dataclass(frozen=True)
class Flicker:
    """Mean changes from one frame to the next, over all pixels.

    Attributes:
        degrees: Between the colours as vectors, see `nirgan.metrics.functional.angular_error`; a
            band, as a grey picture, has none.
        levels: Of a channel, of 255.
    """

    degrees: float
    levels: float


def flicker(frames: Tensor) -> Flicker:
    """Flicker of a scene in which nothing moves.

    Args:
        frames: T x 3 x H x W colours or T x H x W bands, in [0, 1]; two or more.
    """
    colours = frames if frames.ndim == 4 else frames.unsqueeze(1).expand(-1, 3, -1, -1)
    before, after = colours[:-1], colours[1:]
    angles, counted = angular_error(after, before)
    return Flicker(
        degrees=angles.sum().item() / max(1, int(counted.sum())),
        levels=(after - before).abs().mean().item() * 255,
    )


def with_noise(band: Tensor, sigma: float, count: int, seed: int = 0) -> Tensor:
    """What a camera that does not move would film.

    Args:
        band: H x W in [0, 1].
        sigma: Standard deviation of the sensor's noise in levels, of 255; Gaussian.
        count: How many frames.
        seed: Of the noise.

    Returns:
        count x H x W in [0, 1], clipped and in whole levels, as a camera of 8 bits gives them.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, *band.shape, generator=generator) * sigma
    return ((band * 255 + noise).round() / 255).clamp(0, 1)
