"""Pictures side by side, for people."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

GAP_PX = 4
"""White pixels between pictures."""


def image_grid(rows: Sequence[Sequence[Tensor]], largest: int = 512) -> Tensor:
    """Rows of pictures of one size each, on white.

    Args:
        rows: Pictures, 1 x H x W or 3 x H x W in [0, 1]; those of a row have one size.
        largest: Pictures that are wider or higher are shrunk to this, in pixels.

    Returns:
        3 x H x W in [0, 1].
    """
    lines = [_beside([_shrunk(p.expand(3, -1, -1), largest) for p in row]) for row in rows]
    width = max(line.shape[2] for line in lines)
    white = lines[0].new_ones
    padded = [torch.cat([x, white(3, x.shape[1], width - x.shape[2])], 2) for x in lines]
    gap = white(3, GAP_PX, width)
    return torch.cat([part for line in padded for part in (line, gap)][:-1], 1)


def _beside(pictures: Sequence[Tensor]) -> Tensor:
    gap = pictures[0].new_ones(3, pictures[0].shape[1], GAP_PX)
    return torch.cat([part for picture in pictures for part in (picture, gap)][:-1], 2)


def _shrunk(picture: Tensor, largest: int) -> Tensor:
    scale = largest / max(picture.shape[1:])
    if scale >= 1:
        return picture
    size = [max(1, round(side * scale)) for side in picture.shape[1:]]
    return interpolate(picture[None], size, mode="bilinear", antialias=True)[0]
