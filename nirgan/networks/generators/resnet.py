"""The generator of CycleGAN: a residual network between two pairs of strided layers.

Zhu, Park, Isola and Efros, "Unpaired image-to-image translation using cycle-consistent adversarial
networks", ICCV 2017, appendix 7.2, after Johnson et al. 2016: c7s1-64, d128, d256, nine R256 (six
for pictures below 256x256), u128, u64, c7s1-3; instance norm, reflection padding, ReLU, tanh.
Weights from N(0, 0.02). Pictures may have any size of 16 pixels or more: where halving an odd size
lost a pixel, it is repeated on the way up.
"""

import torch
from torch import Tensor, nn

from nirgan.networks.global_layers import InstanceNorm
from nirgan.networks.initialization import initialize
from nirgan.networks.layers import Residual, reflected, resized_like
from nirgan.utils.recording import Recorded


class ResNet(Recorded, nn.Module):
    """Downsampling by four, residual blocks, upsampling by four.

    Args:
        width: Channels at full size; four times as many in the blocks.
        blocks: Residual blocks.
        std: Standard deviation of the initial weights.
    """

    def __init__(self, width: int = 64, blocks: int = 9, std: float = 0.02) -> None:
        super().__init__()
        self.first = reflected(3, width, 7)
        self.down = nn.ModuleList([_down(width, 2 * width), _down(2 * width, 4 * width)])
        self.blocks = nn.Sequential(*(Residual(4 * width) for _ in range(blocks)))
        self.up = nn.ModuleList([_up(4 * width, 2 * width), _up(2 * width, width)])
        self.last = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7))
        initialize(self, std)

    def forward(self, triplet: Tensor) -> Tensor:
        """Translate: B x 3 x H x W in [-1, 1] to the same."""
        hidden = self.first(triplet)
        sizes = []
        for layer in self.down:
            sizes.append(hidden)
            hidden = layer(hidden)
        hidden = self.blocks(hidden)
        for layer in self.up:
            hidden = resized_like(layer(hidden), sizes.pop())
        return torch.tanh(self.last(hidden))


def _down(inputs: int, outputs: int) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(layer, InstanceNorm(), nn.ReLU())


def _up(inputs: int, outputs: int) -> nn.Sequential:
    layer = nn.ConvTranspose2d(
        inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=False
    )
    return nn.Sequential(layer, InstanceNorm(), nn.ReLU())
