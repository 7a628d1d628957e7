"""Blocks that several networks share."""

from torch import nn

LEAK = 0.2
"""Slope of the leaky ReLU (paper, section 3)."""


def convolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Convolution, batch norm, leaky ReLU 0.2; stride 1, the size stays."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(LEAK, inplace=True),
    )


def deconvolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Transposed convolution, batch norm, ReLU; stride 1, the size stays."""
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
