"""Colorization by a CNN on an image pyramid, with the detail of NIR.

Limmer and Lensch, "Infrared colorization using deep convolutional neural networks", ICMLA 2016
(arXiv 1604.02245): the NIR picture is normalized locally and scaled down to a pyramid; a CNN with
shared weights is applied to every level; its features are upsampled and joined, and predict the low
frequencies of red, green and blue. A joint bilateral filter guided by NIR sharpens
the result, and the high frequencies of NIR are added to it. Choices where details are open:

- Three levels, each half the former one; widths and kernels are parameters; batch norm is added.
- The detail is NIR minus NIR under the same bilateral filter, added alike to all three channels.
- The loss compares the raw output with the truth, since the filter has no parameters.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

from nirgan.networks.layers import convolution, local_mean, resized_like
from nirgan.utils.recording import Recorded


class MultiScale(Recorded, nn.Module):
    """The multi-scale network, and the filter after it.

    Args:
        widths: Channels of every layer of the shared CNN.
        kernel: Its kernel size, odd.
        levels: Levels of the pyramid.
        joined: Channels of the layer that joins the levels.
        normalization: Radius of the local normalization, in pixels.
        filtered: Whether to filter and add detail outside of training.
        radius: Of the bilateral filter, in pixels.
        sigma_space: Of the bilateral filter, in pixels.
        sigma_range: Of the bilateral filter, on NIR in [-1, 1].
    """

    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 64),
        kernel: int = 5,
        levels: int = 3,
        joined: int = 64,
        normalization: int = 8,
        filtered: bool = True,
        radius: int = 5,
        sigma_space: float = 3.0,
        sigma_range: float = 0.2,
    ) -> None:
        super().__init__()
        if levels < 1:
            raise ValueError(f"levels is {levels}, expected 1 or more")
        self.levels, self.normalization, self.filtered = levels, normalization, filtered
        self.filter = (radius, sigma_space, sigma_range)
        self.shared = nn.Sequential(
            *(convolution(inputs, outputs, kernel) for inputs, outputs in pairwise([2, *widths]))
        )
        self.join = convolution(levels * widths[-1], joined, 3)
        self.color = nn.Conv2d(joined, 3, 3, padding=1)

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to the same, raw in training, else `filtered`.

        H and W are larger than the filter's radius.
        """
        raw = self.raw(triplet)
        return raw if self.training or not self.filtered else self.restore(raw, triplet)

    def raw(self, triplet: Tensor) -> Tensor:
        """The network's prediction: low frequencies, with blurred edges."""
        nir = triplet.mean(1, keepdim=True)
        normalized = locally_normalized(nir, self.normalization)
        level, found = torch.cat([nir, normalized], 1), []
        for number in range(self.levels):
            level = level if number == 0 else avg_pool2d(level, 2)
            found.append(resized_like(self.shared(level), triplet))
        return torch.tanh(self.color(self.join(torch.cat(found, 1))))

    def restore(self, raw: Tensor, triplet: Tensor) -> Tensor:
        """Sharpen a raw output guided by NIR, and add the detail of NIR."""
        nir = triplet.mean(1, keepdim=True)
        both = joint_bilateral(torch.cat([raw, nir], 1), nir, *self.filter)
        return (both[:, :3] + nir - both[:, 3:]).clamp(-1, 1)


def joint_bilateral(
    pictures: Tensor, guide: Tensor, radius: int, sigma_space: float, sigma_range: float
) -> Tensor:
    """Smooth pictures, except across edges of a guide.

    Petschnigg et al., "Digital photography with flash and no-flash image pairs", SIGGRAPH 2004,
    section 4.1. The window is a disc, as in OpenCV, whose radius in pixels is less than H and W.
    Pictures are B x C x H x W, the guide B x 1 x H x W; the sigmas are the standard deviations of
    the weight by distance, in pixels, and by difference in the guide.
    """
    height, size = pictures.shape[-2], 2 * radius + 1
    padded = pad(torch.cat([pictures, guide], 1), (radius,) * 4, mode="reflect")
    # Row by row of the window, since a whole window at once needs too much memory.
    windows = padded.unfold(3, size, 1)
    offsets = torch.arange(-radius, radius + 1, device=guide.device)
    total, weights = torch.zeros_like(pictures), torch.zeros_like(guide)
    for row in range(size):
        distance = (row - radius) ** 2 + offsets**2
        falls = torch.exp(-distance / (2 * sigma_space**2)) * (distance <= radius**2)
        line = windows[:, :, row : row + height]
        off = line[:, -1:] - guide.unsqueeze(-1)
        weight = falls * torch.exp(-(off**2) / (2 * sigma_range**2))
        total = total + (weight * line[:, :-1]).sum(-1)
        weights = weights + weight.sum(-1)
    return total / weights


def locally_normalized(band: Tensor, radius: int, floor: float = 0.05) -> Tensor:
    """Zero mean and unit deviation in a square window around every pixel of B x 1 x H x W.

    The deviation has a floor, so that noise is not amplified in uniform areas.
    """
    centered = band - local_mean(band, radius)
    deviation = local_mean(centered.square(), radius).clamp(min=0).sqrt()
    return centered / (deviation + floor)
