"""The flat DCGAN generator, the paper's baseline: one branch for all channels.

Suárez, Sappa and Vintimilla, "Learning to colorize infrared images", PAAMS 2017 (reference [14] of
the triplet paper). The layers are those of a branch of the triplet, so that the two differ only in
structure.
"""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from nirgan.networks.generators.branch import KERNELS, LAST_KERNEL, WIDTHS, Branch
from nirgan.networks.initialization import initialize
from nirgan.utils.recording import Recorded


class Flat(Recorded, nn.Module):
    """One branch from the three noisy copies of the NIR band to red, green and blue.

    Args:
        widths: Channels of every hidden layer.
        kernels: Kernel size of every hidden layer, odd.
        last_kernel: Kernel size of the last layer, odd.
        std: Standard deviation of the initial weights.
    """

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        kernels: Sequence[int] = KERNELS,
        last_kernel: int = LAST_KERNEL,
        std: float = 0.00282,
    ) -> None:
        super().__init__()
        self.branch = Branch(3, 3, widths, kernels, last_kernel)
        initialize(self, std)

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to the same."""
        return cast(Tensor, self.branch(triplet))
