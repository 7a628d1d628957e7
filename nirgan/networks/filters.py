"""Image filters in plain torch."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad


def joint_bilateral(
    pictures: Tensor, guide: Tensor, radius: int, sigma_space: float, sigma_range: float
) -> Tensor:
    """Smooth pictures, except across edges of a guide.

    Petschnigg et al., "Digital photography with flash and no-flash image pairs", SIGGRAPH 2004,
    section 4.1. The window is a disc, as in OpenCV.

    Args:
        pictures: B x C x H x W.
        guide: B x 1 x H x W.
        radius: Of the window, in pixels; less than H and W.
        sigma_space: Standard deviation of the weight by distance, in pixels.
        sigma_range: Standard deviation of the weight by difference in the guide.
    """
    height, size = pictures.shape[-2], 2 * radius + 1
    padded = pad(torch.cat([pictures, guide], 1), (radius,) * 4, mode="reflect")
    # Last axis: the pixels of a row of the window. A whole window at once needs too much memory.
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
    """Zero mean and unit standard deviation in a square window around every pixel.

    Args:
        band: B x 1 x H x W.
        radius: Of the window, in pixels.
        floor: Least standard deviation that is divided by, so that noise stays small where there is
            nothing else.
    """
    size = 2 * radius + 1

    def mean(x: Tensor) -> Tensor:
        return avg_pool2d(x, size, 1, radius, count_include_pad=False)

    centred = band - mean(band)
    deviation = mean(centred.square()).clamp(min=0).sqrt()
    return centred / (deviation + floor)
