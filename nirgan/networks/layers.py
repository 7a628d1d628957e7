"""Layers that several networks use."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from nirgan.networks.global_layers import InstanceNorm

LEAKY_SLOPE = 0.2
"""Slope of the leaky ReLU (paper, section 3)."""
NORMS: dict[str, type[nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "instance": nn.InstanceNorm2d,
    "none": nn.Identity,
}
"""Normalization layers of discriminators, by name."""
PaddingMode = Literal["zeros", "replicate"]
"""What continues a picture beyond its edges, as in `torch.nn.Conv2d`."""


def convolution(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    slope: float = LEAKY_SLOPE,
    norm: type[nn.Module] = nn.BatchNorm2d,
) -> nn.Sequential:
    """Convolution, norm, leaky ReLU or, of slope 0, ReLU; with stride 1 of the same size."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=norm is nn.Identity),
        norm(outputs),
        nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(),
    )


def deconvolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Transposed convolution, batch norm, ReLU; stride 1, same size."""
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def doubling(inputs: int, outputs: int, mode: PaddingMode, *, bias: bool = True) -> nn.Module:
    """A 4x4 transposed convolution to twice the size; torch's own knows no padding but zeros."""
    if mode == "zeros":
        return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
    layer = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=3, bias=bias)
    return nn.Sequential(nn.ReplicationPad2d(1), layer)


def resized_like(hidden: Tensor, like: Tensor) -> Tensor:
    """The nearest values, at the height and width of another tensor."""
    return interpolate(hidden, like.shape[-2:])


def edge_padded(pixels: Tensor, period: int, least: int = 1) -> Tensor:
    """Repeat the last row and column of B x C x H x W until `period` divides both sides.

    Both are at least `least` then. Neither padding by nor slicing to a size that is not known in
    advance can be exported.
    """

    def places(size: int) -> Tensor:
        padded = (size + period - 1) // period * period
        if least > 1:  # a maximum hides from exports that the period divides it
            padded = torch.sym_max(padded, least)  # type: ignore[no-untyped-call]
        return torch.arange(padded).clamp(max=size - 1)

    return _at(pixels, places(pixels.shape[-2]), places(pixels.shape[-1]))


def cropped(pixels: Tensor, height: int, width: int) -> Tensor:
    """The upper left height x width pixels of B x C x H x W."""
    return _at(pixels, torch.arange(height), torch.arange(width))


def _at(pixels: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    return pixels[:, :, rows.to(pixels.device)][..., columns.to(pixels.device)]


def local_mean(hidden: Tensor, radius: int) -> Tensor:
    """The mean of a square window around every place, without what is beyond the edges."""
    return avg_pool2d(hidden, 2 * radius + 1, 1, radius, count_include_pad=False)


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
