"""A convolutional auto-encoder, which the paper names as future work (section 5).

The paper gives no details. Here: 3x3 convolutions of stride 2 down to a bottleneck, and
nearest-neighbour upsampling with 3x3 convolutions, which avoids checkerboard artifacts (Odena,
Dumoulin and Olah, "Deconvolution and checkerboard artifacts", Distill 2016). Unlike a U-Net, it has
no skip connections.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from nirgan.networks.layers import convolution, resized_like
from nirgan.utils.recording import Recorded


class AutoEncoder(Recorded, nn.Module):
    """Encoder, bottleneck, decoder.

    Args:
        widths: Channels after every halving of the size, down to the bottleneck.
    """

    def __init__(self, widths: Sequence[int] = (64, 128, 256)) -> None:
        super().__init__()
        if not widths:
            raise ValueError("widths is empty, expected the channels of one layer or more")
        self.encoder = nn.ModuleList(
            convolution(inputs, outputs, 3, stride=2) for inputs, outputs in pairwise([3, *widths])
        )
        self.decoder = nn.ModuleList(
            convolution(inputs, outputs, 3)
            for inputs, outputs in pairwise([*widths[::-1], widths[0]])
        )
        self.last = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to the same."""
        hidden, sizes = triplet, []
        for layer in self.encoder:
            sizes.append(hidden)
            hidden = layer(hidden)
        for layer in self.decoder:
            hidden = layer(resized_like(hidden, sizes.pop()))
        return torch.tanh(self.last(hidden))
