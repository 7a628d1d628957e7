"""Puts pictures side by side."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

GAP_PX = 4
"""White pixels between pictures."""


def image_grid(rows: Sequence[Sequence[Tensor]], largest: int = 512) -> Tensor:
    """Rows of pictures, on white: 3 x H x W in [0, 1], as they are, or 1 x H x W.

    Those of a row have one size. Wider or higher ones are shrunk to `largest` pixels.
    """
    lines = [_joined([shrunk(p.expand(3, -1, -1), largest) for p in row], 2) for row in rows]
    width = max(line.shape[2] for line in lines)
    return _joined([pad(line, (0, width - line.shape[2]), value=1.0) for line in lines], 1)


def _joined(pictures: Sequence[Tensor], axis: int) -> Tensor:
    gap = torch.ones_like(pictures[0].narrow(axis, 0, 1)).repeat_interleave(GAP_PX, axis)
    return torch.cat([part for picture in pictures for part in (picture, gap)][:-1], axis)


def shrunk(picture: Tensor, largest: int) -> Tensor:
    """A picture, C x H x W, whose longer side has at most so many pixels."""
    scale = largest / max(picture.shape[1:])
    if scale >= 1:
        return picture
    size = [max(1, round(side * scale)) for side in picture.shape[1:]]
    return interpolate(picture[None], size, mode="bilinear", antialias=True)[0]
