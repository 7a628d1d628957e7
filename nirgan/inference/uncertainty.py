"""How far a method's colours move when its input does in ways that should not matter.

Mirror images of a picture, and sensor noise on it, are still pictures of the same thing. Where the
colours of such variants differ, the method has guessed.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from nirgan.metrics.functional import angular_error

NOISE = 0.02
"""Standard deviation of the noise on the variants, of a range of 1."""

_PERIOD = 256


def variants(
    tile: Tensor, top: int, left: int
) -> Iterator[tuple[Tensor, Callable[[Tensor], Tensor]]]:
    """Variants of a tile, each with what turns its colours back.

    Args:
        tile: B x 1 x H x W in [0, 1].
        top: Row of the tile in its picture: noise is a function of the place, so that it is the
            same however the picture is cut.
        left: Its column.
    """
    for number, axes in enumerate([(), (-1,), (-2,), (-2, -1)]):
        noisy = tile + NOISE * _noise(tile, top, left, number)

        def back(colours: Tensor, axes: tuple[int, ...] = axes) -> Tensor:
            return colours.flip(axes)

        yield back(noisy.clamp(0, 1)), back


def disagreement(colours: Tensor, others: list[Tensor]) -> Tensor:
    """Mean angle between a picture's colours and those of its variants.

    Args:
        colours: B x 3 x H x W in [0, 1].
        others: The same of each variant.

    Returns:
        B x H x W in degrees; pixels that are black in one of the two count as 0.
    """
    angles = [angular_error(other, colours) for other in others]
    return torch.stack([torch.where(counts, angle, 0) for angle, counts in angles]).mean(0)


def _noise(tile: Tensor, top: int, left: int, number: int) -> Tensor:
    generator = torch.Generator().manual_seed(number)
    texture = torch.randn(_PERIOD, _PERIOD, generator=generator).to(tile.device)
    rows = (torch.arange(tile.shape[-2], device=tile.device) + top) % _PERIOD
    columns = (torch.arange(tile.shape[-1], device=tile.device) + left) % _PERIOD
    return texture[rows[:, None], columns]
