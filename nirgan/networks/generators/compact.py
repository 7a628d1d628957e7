"""A small U-Net at half size, for machines without a GPU.

After Ronneberger, Fischer and Brox, "U-Net", MICCAI 2015, with these differences:

- Full-size layers cost most. So 2x2 pixels of the band become four channels of half the size, and
  the colors are rearranged back (Shi et al., "Real-time single image and video super-resolution",
  CVPR 2016), without loss or interpolation.
- The output is added to NIR before the last tanh, so that detail comes from the band, and an
  untrained network gives a grey picture.
- Nearest-neighbour upsampling and convolution, which avoids checkerboard artifacts.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle

from nirgan.networks.layers import convolution, cropped, edge_padded
from nirgan.utils.recording import Recorded

TANH_MARGIN = 0.98
"""NIR is scaled by this before the inverse of tanh, which is infinite at -1 and 1."""


class Compact(Recorded, nn.Module):
    """Encoder and decoder with skip connections, the first level at half the size.

    Args:
        widths: Channels at 1/2, 1/4, ... of the size.
    """

    def __init__(self, widths: Sequence[int] = (24, 56, 112, 192)) -> None:
        super().__init__()
        if not widths:
            raise ValueError("widths is empty, expected the channels of one level or more")
        self.period = 2 ** len(widths)
        self.down = nn.ModuleList(_block(i, o) for i, o in pairwise([4, *widths]))
        self.up = nn.ModuleList(_block(i + o, o) for i, o in pairwise(reversed(list(widths))))
        self.last = nn.Conv2d(widths[0], 12, 3, padding=1)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]
        nn.init.normal_(self.last.weight, std=0.01)

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to the same."""
        # The mean of the copies, padded to a size that all levels divide.
        band = edge_padded(triplet.mean(1, keepdim=True), self.period)
        hidden, skips = pixel_unshuffle(band, 2), list[Tensor]()
        for block in self.down:
            hidden = block(torch.max_pool2d(hidden, 2) if skips else hidden)
            skips.append(hidden)
        skips.pop()
        for block in self.up:
            hidden = block(torch.cat((interpolate(hidden, scale_factor=2), skips.pop()), 1))
        color = cropped(pixel_shuffle(self.last(hidden), 2), *triplet.shape[-2:])
        return torch.tanh(torch.atanh(TANH_MARGIN * triplet.clamp(-1, 1)) + color)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(convolution(inputs, outputs, 3), convolution(outputs, outputs, 3))
