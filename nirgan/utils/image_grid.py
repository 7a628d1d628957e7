"""Pictures side by side, for people."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

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
    lines = [_joined([_shrunk(p.expand(3, -1, -1), largest) for p in row], 2) for row in rows]
    width = max(line.shape[2] for line in lines)
    return _joined([pad(line, (0, width - line.shape[2]), value=1.0) for line in lines], 1)


def _joined(pictures: Sequence[Tensor], axis: int) -> Tensor:
    gap = torch.ones_like(pictures[0].narrow(axis, 0, 1)).repeat_interleave(GAP_PX, axis)
    return torch.cat([part for picture in pictures for part in (picture, gap)][:-1], axis)


def _shrunk(picture: Tensor, largest: int) -> Tensor:
    scale = largest / max(picture.shape[1:])
    if scale >= 1:
        return picture
    size = [max(1, round(side * scale)) for side in picture.shape[1:]]
    return interpolate(picture[None], size, mode="bilinear", antialias=True)[0]
