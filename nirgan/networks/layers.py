"""Layers that several networks use."""

from torch import Tensor, nn
from torch.nn.functional import interpolate

from nirgan.networks.global_layers import InstanceNorm

LEAKY_SLOPE = 0.2
"""Slope of the leaky ReLU (paper, section 3)."""


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, leaky ReLU 0.2; with stride 1 of the same size."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
    )


def deconvolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Transposed convolution, batch norm, ReLU; stride 1, same size."""
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def fit_size(hidden: Tensor, like: Tensor) -> Tensor:
    """Resize to the height and width of another tensor; they differ by one after an odd size."""
    return interpolate(hidden, like.shape[-2:])


class Residual(nn.Module):
    """A residual block: two convolutions and a skip connection, all of the same channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first = reflected(channels, channels, 3)
        self.layers = nn.Sequential(*first, *list(reflected(channels, channels, 3))[:-1])

    def forward(self, hidden: Tensor) -> Tensor:
        """B x C x H x W to the same."""
        added: Tensor = hidden + self.layers(hidden)
        return added


def reflected(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Reflection padding, convolution, instance norm, ReLU; stride 1, same size."""
    return nn.Sequential(
        nn.ReflectionPad2d(kernel // 2),
        nn.Conv2d(inputs, outputs, kernel, bias=False),
        InstanceNorm(),
        nn.ReLU(),
    )
