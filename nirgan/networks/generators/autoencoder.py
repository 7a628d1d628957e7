"""A convolutional auto-encoder, the first of the paper's plans for future work (section 5).

The paper names it and no more. Here: 3x3 convolutions of stride 2 down to a bottleneck, and up
again by nearest-neighbour upsampling and 3x3 convolutions, which leaves no checkerboard (Odena,
Dumoulin and Olah, "Deconvolution and checkerboard artifacts", Distill 2016). All that comes out
passed through the bottleneck: there are no skip connections, which sets it apart from a U-Net.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nirgan.networks.layers import LEAKY_SLOPE, fit_size


class AutoEncoder(nn.Module):
    """Encoder, bottleneck, decoder.

    Args:
        widths: Channels after every halving of the size, from the outermost to the bottleneck.
    """

    def __init__(self, widths: Sequence[int] = (64, 128, 256)) -> None:
        super().__init__()
        if not widths:
            raise ValueError("widths is empty, expected the channels of one layer or more")
        self.encoder = nn.ModuleList(
            _layer(inputs, outputs, stride=2)
            for inputs, outputs in zip([3, *widths], widths, strict=False)
        )
        self.decoder = nn.ModuleList(
            _layer(inputs, outputs, stride=1)
            for inputs, outputs in zip(widths[::-1], [*widths[-2::-1], widths[0]], strict=True)
        )
        self.last = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to the same."""
        hidden, sizes = triplet, []
        for layer in self.encoder:
            sizes.append(hidden)
            hidden = layer(hidden)
        for layer in self.decoder:
            hidden = layer(fit_size(hidden, sizes.pop()))
        return torch.tanh(self.last(hidden))


def _layer(inputs: int, outputs: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
    )
