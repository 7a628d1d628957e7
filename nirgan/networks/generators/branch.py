"""The stack of layers that both generators are made of.

The paper (section 3) lists convolution, deconvolution, ReLU, leaky ReLU 0.2 and tanh, batch norm on
every layer, stride 1, no pooling, no dropout; it gives no table of layers. Here the first half of
the layers convolves (leaky ReLU), the second half deconvolves (ReLU), and a last convolution with
batch norm and tanh makes the color. Default kernels and widths follow COLORGAN, the authors'
related network: 7x7, then 5x5, of 128, 64, 64, 64, 32.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from nirgan.networks.layers import convolution, deconvolution

WIDTHS = (128, 64, 64, 64, 32)
KERNELS = (7, 5, 5, 5, 5)
LAST_KERNEL = 5

NirReentry = Literal["concat", "add", "none"]


class Branch(nn.Module):
    """From `inputs` channels to `outputs` channels in [-1, 1], at any height and width.

    Args:
        inputs: Channels that go in.
        outputs: Channels that come out.
        widths: Channels of every hidden layer.
        kernels: Kernel size of every hidden layer, odd.
        last_kernel: Kernel size of the last layer, odd.
        nir: How the NIR band enters again at the last layer: beside its input (`concat`), added to
            its output before batch norm and tanh (`add`), or not (`none`).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: Sequence[int],
        kernels: Sequence[int],
        last_kernel: int,
        nir: NirReentry = "none",
    ) -> None:
        super().__init__()
        if len(widths) != len(kernels) or not widths:
            raise ValueError(
                f"widths has {len(widths)} and kernels {len(kernels)} entries; "
                "each hidden layer needs one of both"
            )
        if even := [k for k in (*kernels, last_kernel) if k % 2 == 0]:
            raise ValueError(f"kernel size {even[0]} is even; only odd ones keep the size")
        self.nir = nir
        channels = [inputs, *widths]
        half = (len(widths) + 1) // 2
        self.layers = nn.Sequential(
            *(
                (convolution if i < half else deconvolution)(channels[i], channels[i + 1], kernel)
                for i, kernel in enumerate(kernels)
            )
        )
        last_inputs = widths[-1] + (inputs if nir == "concat" else 0)
        self.last = nn.Conv2d(
            last_inputs, outputs, last_kernel, padding=last_kernel // 2, bias=False
        )
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, nir: Tensor) -> Tensor:
        """Map B x inputs x H x W to B x outputs x H x W."""
        hidden = self.layers(nir)
        if self.nir == "concat":
            hidden = torch.cat([hidden, nir], 1)
        color = self.last(hidden)
        if self.nir == "add":
            color = color + nir
        return torch.tanh(self.norm(color))
