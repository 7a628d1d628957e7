"""The paper's generator, the triplet: one branch for each of red, green and blue.

Suárez, Sappa and Vintimilla, "Colorizing Infrared Images Through a Triplet Conditional DCGAN
Architecture", ICIAP 2017, section 3 and figure 1. The NIR band enters again at the final layer of
red, since near-infrared leaks into the red channel most (Park et al. 2016).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nirgan.networks.generators.branch import KERNELS, LAST_KERNEL, WIDTHS, Branch, NirReentry
from nirgan.networks.initialization import initialize
from nirgan.utils.recording import Recorded


class Triplet(Recorded, nn.Module):
    """Three independent branches, recombined into a color picture.

    Args:
        widths: Channels of every hidden layer of a branch.
        kernels: Kernel size of every hidden layer, odd.
        last_kernel: Kernel size of the last layer, odd.
        nir_into_red: How the NIR band joins the last layer of red: `concat` before its convolution,
            `add` to what it gives, or `none`. The paper says only that it is added there.
        std: Standard deviation of the initial weights.
    """

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        kernels: Sequence[int] = KERNELS,
        last_kernel: int = LAST_KERNEL,
        nir_into_red: NirReentry = "concat",
        std: float = 0.00282,
    ) -> None:
        super().__init__()
        self.red = Branch(1, 1, widths, kernels, last_kernel, nir_into_red)
        self.green = Branch(1, 1, widths, kernels, last_kernel)
        self.blue = Branch(1, 1, widths, kernels, last_kernel)
        initialize(self, std)

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1], a copy of the band for each branch, to the same."""
        red, green, blue = triplet.chunk(3, 1)
        return torch.cat([self.red(red), self.green(green), self.blue(blue)], 1)
