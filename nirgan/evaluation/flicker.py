"""How much colors flicker where nothing moves but the camera's noise.

A method that looks at single frames turns the noise of each into noise of its colors. How much is
seen beside the band itself, which flickers too.
"""

from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import torch
from torch import Tensor

from nirgan.metrics.functional import angular_error


@dataclass(frozen=True)
class Flicker:
    """Mean changes from one frame to the next, over all pixels."""

    degrees: float  # between the colors as vectors, see `angular_error`; a band has none
    levels: float  # of a channel, of 255


def flicker(frames: Tensor) -> Flicker:
    """Flicker of a scene in which nothing moves, of two frames or more.

    They are T x 3 x H x W colors or T x H x W bands, in [0, 1].
    """
    colors = frames if frames.ndim == 4 else frames.unsqueeze(1).expand(-1, 3, -1, -1)
    before, after = colors[:-1], colors[1:]
    angles, counted = angular_error(after, before)
    return Flicker(
        degrees=angles.sum().item() / max(1, int(counted.sum())),
        levels=(after - before).abs().mean().item() * 255,
    )


def flicker_of_pan(frames: Tensor, step: int) -> Flicker:
    """Flicker at the same place of the scene while a camera pans.

    Each of the frames, T x 3 x H x W colors in [0, 1], shows the scene `step` pixels further right
    than the one before.
    """
    changes = [
        flicker(torch.stack([before[..., step:], after[..., :-step]]))
        for before, after in pairwise(frames)
    ]
    return Flicker(fmean(c.degrees for c in changes), fmean(c.levels for c in changes))


def panned(band: Tensor, step: int, count: int) -> Tensor:
    """What a camera would film that pans over H x W by `step` pixels a frame.

    Returns:
        count x H x (W - step * (count - 1)).
    """
    width = band.shape[1] - step * (count - 1)
    return torch.stack([band[:, step * n : step * n + width] for n in range(count)])


def with_noise(band: Tensor, sigma: float, count: int, seed: int = 0) -> Tensor:
    """What a camera that does not move would film of H x W in [0, 1].

    The sensor's noise is Gaussian, `sigma` its standard deviation in levels, of 255.

    Returns:
        count x H x W in [0, 1], clipped and in whole levels, as a camera of 8 bits gives them.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, *band.shape, generator=generator) * sigma
    return ((band * 255 + noise).round() / 255).clamp(0, 1)
