"""The paper's discriminator: convolutions, leaky ReLU 0.2, batch norm, a dense layer.

Suárez, Sappa and Vintimilla 2017, section 3 and eq. 2: the NIR band is the condition and is given
to both networks. Two choices where the paper is silent or cannot be taken literally:

- Strides of 2. The paper rules out strides for the generator, to keep spatial information; its
  discriminator ends in one number, and a dense layer over 64x64 positions of 512 channels would
  have two million weights for no gain. Strided convolutions are the DCGAN's own rule.
- No sigmoid here: eq. 3 and 4 are computed on logits, where they cannot overflow.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from nirgan.errors import NirganError
from nirgan.networks.initialization import initialize
from nirgan.networks.layers import NORMS, convolution
from nirgan.utils.recording import Recorded


class Conditional(Recorded, nn.Module):
    """Predicts whether a color picture of a NIR picture is real.

    Args:
        widths: Channels of every convolution; each halves the size.
        kernel: Kernel size, odd.
        patch: Height and width in pixels of its input, which the dense layer depends on.
        condition: Whether the NIR band is an input beside the colors.
        norm: After every convolution; `none` where a gradient penalty wants pictures apart.
        std: Standard deviation of the initial weights.
    """

    def __init__(
        self,
        widths: Sequence[int] = (64, 128, 256, 512),
        kernel: int = 5,
        patch: int = 64,
        condition: bool = True,
        norm: Literal["batch", "none"] = "batch",
        std: float = 0.00282,
    ) -> None:
        super().__init__()
        self.patch, self.condition = patch, condition
        layers: list[nn.Module] = []
        inputs, size = (4 if condition else 3), patch
        for outputs in widths:
            layers += convolution(inputs, outputs, kernel, stride=2, norm=NORMS[norm])
            inputs, size = outputs, (size + 1) // 2
        self.features = nn.Sequential(*layers)
        self.dense = nn.Linear(inputs * size * size, 1)
        initialize(self, std)

    def forward(self, rgb: Tensor, nir: Tensor) -> Tensor:
        """B logits, log odds that the picture is real.

        Colors are B x 3 x `patch` x `patch`, the band B x 1 x `patch` x `patch`, both in [-1, 1].
        """
        if rgb.shape[-2:] != (self.patch, self.patch):
            raise NirganError(
                f"patches are {rgb.shape[-1]}x{rgb.shape[-2]} but the discriminator is made for "
                f"{self.patch}x{self.patch}; set discriminator.patch and data.patch alike"
            )
        pixels = torch.cat([rgb, nir], 1) if self.condition else rgb
        logits: Tensor = self.dense(self.features(pixels).flatten(1)).squeeze(1)
        return logits
