"""Colorization as a classification over color bins.

Zhang, Isola and Efros, "Colorful image colorization", ECCV 2016: a network gives every pixel a
distribution over 313 bins of CIELAB's a and b, trained by cross-entropy against softly encoded
truth, rare colors weighing more (`nirgan.tasks.color_classes`); its color is the annealed mean
of the distribution (eq. 5). The layers are theirs: eight blocks of 3x3 convolutions, 64-128-256-512
channels, an eighth of the size with dilation 2 in the fifth and sixth, a quarter for the bins.
Departures for near-infrared:

- Theirs copies the lightness of the picture. Here it is predicted at full size by a further head,
  from NIR and the features of the first layer and the last block.
- The first layer takes the three copies of the band.
- Sizes that 8 does not divide are kept.
- Edges may be continued by their last pixels, as in `nirgan.networks.generators.unet`.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from nirgan.networks.layers import PaddingMode, convolution, doubling, resized_like
from nirgan.utils.color_spaces import lab_to_rgb
from nirgan.utils.recording import Recorded

BIN_SPACING = 10
"""Distance between neighbouring bins, in units of a and b."""
GAMUT_ROWS = {
    -90: (50, 90),
    -80: (20, 90),
    -70: (0, 90),
    -60: (-20, 90),
    -50: (-30, 100),
    -40: (-40, 100),
    -30: (-50, 100),
    -20: (-50, 100),
    -10: (-60, 100),
    0: (-70, 100),
    10: (-80, 90),
    20: (-80, 90),
    30: (-90, 90),
    40: (-100, 90),
    50: (-100, 80),
    60: (-110, 80),
    70: (-110, 80),
    80: (-110, 70),
    90: (-110, 70),
    100: (-90, 0),
}
"""First and last b of the bins in gamut, by a, as published with the authors' network."""


def bins() -> Tensor:
    """The bins, 313 x 2 (a, b), in the published order."""
    rows = {a: range(low, high + 1, BIN_SPACING) for a, (low, high) in GAMUT_ROWS.items()}
    return torch.tensor([(a, b) for a, row in rows.items() for b in row], dtype=torch.float32)


def soft_encoding(ab: Tensor, points: Tensor, neighbors: int = 5, sigma: float = 5.0) -> Tensor:
    """A distribution over the bins: Gaussian weights of the nearest ones (section 2.1).

    Of N x 2 numbers a and b, and Q x 2 points; N x Q, rows sum to 1. `sigma` is in their units.
    """
    squares, nearest = torch.cdist(ab, points).square().topk(neighbors, largest=False)
    weights = torch.softmax(-squares / (2 * sigma**2), 1)
    return ab.new_zeros(len(ab), len(points)).scatter_(1, nearest, weights)


def annealed_mean(logits: Tensor, points: Tensor, temperature: float) -> Tensor:
    """The mean of a sharpened distribution (eq. 5): B x 2 x H x W.

    Logits are B x Q x H x W, points Q x 2. A temperature of 1 gives the mean, towards 0 the mode.
    """
    sharp = torch.softmax(logits.float() / temperature, 1)
    with torch.autocast(logits.device.type, enabled=False):
        return torch.einsum("qc,bqhw->bchw", points, sharp)


class Zhang(Recorded, nn.Module):
    """The network.

    Args:
        width: Channels of the first block; theirs is 64. The last blocks have 8 times as many.
        temperature: Temperature of the annealed mean.
        padding_mode: What continues a picture beyond its edges: zeros, or its last pixels. Two 3x3
            layers of the lightness always take zeros.
    """

    points: Tensor

    def __init__(
        self, width: int = 64, temperature: float = 0.38, padding_mode: PaddingMode = "zeros"
    ) -> None:
        super().__init__()
        if width < 2:
            raise ValueError(f"width is {width}, expected 2 or more")
        if temperature <= 0:
            raise ValueError(f"temperature is {temperature}, expected more than 0")
        w1, w2, w4, w8 = width, 2 * width, 4 * width, 8 * width
        self.temperature = temperature
        self.register_buffer("points", bins(), persistent=False)
        layers = partial(_convolutions, mode=padding_mode)
        block = partial(_block, mode=padding_mode)
        self.first = nn.Sequential(*layers([3, w1]))
        self.trunk = nn.Sequential(
            block([w1, w1], stride=2),
            block([w1, w2, w2], stride=2),
            block([w2, w4, w4, w4], stride=2),
            block([w4, w8, w8, w8]),
            block([w8, w8, w8, w8], dilation=2),
            block([w8, w8, w8, w8], dilation=2),
            block([w8, w8, w8, w8]),
        )
        self.up = doubling(w8, w4, padding_mode)
        self.last = nn.Sequential(nn.ReLU(), *layers([w4, w4, w4]))
        self.bins = nn.Conv2d(w4, len(self.points), 1)
        head = width // 2
        self.far = nn.Conv2d(w4, head, 1)
        self.lightness = nn.Sequential(
            convolution(head + w1 + 1, head, 3), nn.Conv2d(head, 1, 3, padding=1)
        )

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to the same."""
        logits, lightness = self.classify(triplet)
        ab = annealed_mean(logits, self.points, self.temperature)
        size = triplet.shape[-2:]
        ab = interpolate(ab, size, mode="bilinear", align_corners=False)
        return lab_to_rgb(torch.cat([lightness.float().clamp(0, 100), ab], 1)).to(triplet.dtype)

    def classify(self, triplet: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs that are trained, of B x 3 x H x W in [-1, 1].

        They are logits of the bins, B x 313 x 2 ceil(H / 8) x 2 ceil(W / 8), and the lightness,
        B x 1 x H x W, about 0 to 100.
        """
        near = self.first(triplet)
        hidden = self.last(self.up(self.trunk(near)))
        nir = triplet.mean(1, keepdim=True)
        far = resized_like(self.far(hidden), triplet)
        # The head predicts the difference from the brightness of NIR.
        lightness = (nir + 1 + self.lightness(torch.cat([far, near, nir], 1))) * 50
        return self.bins(hidden), lightness


def _convolutions(
    widths: Sequence[int], stride: int = 1, dilation: int = 1, mode: PaddingMode = "zeros"
) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise(widths), 1):
        step = stride if number == len(widths) - 1 else 1
        layers.append(nn.Conv2d(inputs, outputs, 3, step, dilation, dilation, padding_mode=mode))
        layers.append(nn.ReLU())
    return layers


def _block(
    widths: Sequence[int], stride: int = 1, dilation: int = 1, mode: PaddingMode = "zeros"
) -> nn.Sequential:
    """3x3 convolutions with ReLU, the last one with the stride, and batch norm after it."""
    return nn.Sequential(*_convolutions(widths, stride, dilation, mode), nn.BatchNorm2d(widths[-1]))
