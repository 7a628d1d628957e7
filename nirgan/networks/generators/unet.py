"""The U-Net generator of pix2pix.

Isola, Zhu, Zhou and Efros, "Image-to-image translation with conditional adversarial networks", CVPR
2017, appendix 6.1: an encoder C64-C128-C256-C512-C512-... and its mirror image, 4x4 kernels of
stride 2, skip connections between equal sizes, leaky ReLU 0.2 down and ReLU up, no batch norm on
the first and none on the innermost layer, dropout of a half on the three innermost layers up, tanh.
Weights from N(0, 0.02). Where it departs:

- The depth is a parameter. Theirs is 8, for 256x256 pictures that come down to one pixel; a 64x64
  patch comes down to one after 6.
- Pictures may have any size of 2^depth pixels or more: where halving an odd size lost a pixel, the
  decoder repeats one.
- Dropout, their only noise, is off when judging; they leave it on and judge a sample.
- Edges may be continued by their last pixels. To a network that sees further than its patches, the
  zeros around a patch are most of what it sees, and a picture's middle has none.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from nirgan.networks.initialization import initialize
from nirgan.networks.layers import LEAKY_SLOPE, PaddingMode, doubling, resized_like
from nirgan.utils.recording import Recorded


class UNet(Recorded, nn.Module):
    """Encoder and decoder with skip connections.

    Args:
        width: Channels of the first layer; each next one has twice as many, at most 8 times it.
        depth: How often the size is halved.
        dropout: Probability on the three innermost layers of the decoder.
        std: Standard deviation of the initial weights.
        padding_mode: What continues a picture beyond its edges: zeros, or its last pixels.
    """

    def __init__(
        self,
        width: int = 64,
        depth: int = 8,
        dropout: float = 0.5,
        std: float = 0.02,
        padding_mode: PaddingMode = "zeros",
    ) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth is {depth}, expected 2 or more")
        widths = [width * min(2**level, 8) for level in range(depth)]
        self.down = nn.ModuleList(
            _down(inputs, outputs, padding_mode, first=level == 0, last=level == depth - 1)
            for level, (inputs, outputs) in enumerate(pairwise([3, *widths]))
        )
        self.up = nn.ModuleList()
        for level in reversed(range(depth)):
            inputs = widths[level] * (1 if level == depth - 1 else 2)
            outputs = widths[level - 1] if level else 3
            drops = dropout if level > 0 and level >= depth - 3 else 0.0
            self.up.append(_up(inputs, outputs, padding_mode, last=level == 0, dropout=drops))
        initialize(self, std)

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to the same."""
        hidden, skips = triplet, [triplet]
        for layer in self.down:
            hidden = layer(hidden)
            skips.append(hidden)
        hidden = skips.pop()
        for layer in self.up:
            skip = skips.pop()
            hidden = resized_like(layer(hidden), skip)
            if skips:
                hidden = torch.cat([hidden, skip], 1)
        return hidden


def _down(
    inputs: int, outputs: int, mode: PaddingMode, *, first: bool, last: bool
) -> nn.Sequential:
    layers: list[nn.Module] = [] if first else [nn.LeakyReLU(LEAKY_SLOPE)]
    normed = not first and not last
    layers.append(
        nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=not normed, padding_mode=mode)
    )
    if normed:
        layers.append(nn.BatchNorm2d(outputs))
    return nn.Sequential(*layers)


def _up(
    inputs: int, outputs: int, mode: PaddingMode, *, last: bool, dropout: float
) -> nn.Sequential:
    layers: list[nn.Module] = [nn.ReLU(), doubling(inputs, outputs, mode, bias=last)]
    layers.append(nn.Tanh() if last else nn.BatchNorm2d(outputs))
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)
