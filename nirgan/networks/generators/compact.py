"""A small U-Net at half size, made for use on ordinary machines: the default of `colorize`.

After Ronneberger, Fischer and Brox, "U-Net", MICCAI 2015, with these differences:

- A full-size layer is what costs most. Here the band is rearranged, every 2x2 pixels into four
  channels of half the size, and the colors are rearranged back (Shi et al., "Real-time single
  image and video super-resolution", CVPR 2016). Nothing is lost, and no pixel is interpolated.
- The network adds color to the band: what it makes is added to NIR before the last tanh, so that
  detail is the band's, and one that has learned nothing gives the grey picture.
- Up by nearest-neighbour and convolution, which leaves no checkerboard.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle

from nirgan.networks.layers import convolution

TANH_MARGIN = 0.98
"""NIR is scaled by this before it is taken through the inverse of tanh, which has no ends."""


class Compact(nn.Module):
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
        height, width = triplet.shape[-2:]
        # The trunk sees the mean of the copies; it has sizes that all levels divide.
        band = triplet.mean(1, keepdim=True)
        band = _at(band, *(_places(size, self.period) for size in (height, width)))
        hidden, skips = pixel_unshuffle(band, 2), list[Tensor]()
        for block in self.down:
            hidden = block(torch.max_pool2d(hidden, 2) if skips else hidden)
            skips.append(hidden)
        skips.pop()
        for block in self.up:
            hidden = block(torch.cat((interpolate(hidden, scale_factor=2), skips.pop()), 1))
        color = pixel_shuffle(self.last(hidden), 2)
        color = _at(color, _places(height), _places(width))
        return torch.tanh(torch.atanh(TANH_MARGIN * triplet.clamp(-1, 1)) + color)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(convolution(inputs, outputs, 3), convolution(outputs, outputs, 3))


def _places(size: int, period: int = 1) -> Tensor:
    """The places 0 to size - 1, the last one again and again until `period` divides their number.

    Neither padding by nor slicing to a size that is not known in advance can be exported.
    """
    return torch.arange((size + period - 1) // period * period).clamp(max=size - 1)


def _at(pixels: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    return pixels[:, :, rows.to(pixels.device)][..., columns.to(pixels.device)]
