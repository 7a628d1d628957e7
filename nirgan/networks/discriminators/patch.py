"""The 70x70 PatchGAN discriminator of pix2pix.

Isola, Zhu, Zhou and Efros 2017, appendix 6.1: C64-C128-C256-C512 of 4x4 kernels, the first three
with stride 2, and a last convolution to one channel; leaky ReLU 0.2, batch norm on all but the
first and last. Each logit judges the 70x70 pixels that it sees.
"""

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from nirgan.networks.initialization import initialize
from nirgan.networks.layers import LEAKY_SLOPE, NORMS
from nirgan.utils.recording import Recorded


class PatchGAN(Recorded, nn.Module):
    """Predicts whether each part of a color picture of a NIR picture is real, at any size.

    Args:
        widths: Channels of every layer before the last; all but the last of these halve the size.
        condition: Whether the NIR band is an input beside the colors.
        norm: `instance` is CycleGAN's; `none` where a gradient penalty wants pictures apart.
        std: Standard deviation of the initial weights.
    """

    def __init__(
        self,
        widths: Sequence[int] = (64, 128, 256, 512),
        condition: bool = True,
        norm: Literal["batch", "instance", "none"] = "batch",
        std: float = 0.02,
    ) -> None:
        super().__init__()
        self.condition = condition
        layers: list[nn.Module] = []
        inputs = 4 if condition else 3
        for number, outputs in enumerate(widths):
            stride = 2 if number < len(widths) - 1 else 1
            first = number == 0
            bias = first or norm == "none"
            layers.append(nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1, bias=bias))
            if not first:
                layers.append(NORMS[norm](outputs))
            layers.append(nn.LeakyReLU(LEAKY_SLOPE, inplace=True))
            inputs = outputs
        self.layers = nn.Sequential(*layers, nn.Conv2d(inputs, 1, 4, padding=1))
        initialize(self, std)

    def forward(self, rgb: Tensor, nir: Tensor) -> Tensor:
        """B x 1 x h x w logits, log odds that a part is real.

        Colors are B x 3 x H x W, the band B x 1 x H x W, both in [-1, 1].
        """
        pixels = torch.cat([rgb, nir], 1) if self.condition else rgb
        return cast(Tensor, self.layers(pixels))
