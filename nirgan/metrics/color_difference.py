"""The CIEDE2000 color difference."""

import torch
from torch import Tensor

from nirgan.metrics.functional import check_pictures
from nirgan.metrics.per_image import PerImageMetric
from nirgan.utils.color_spaces import rgb_to_lab


def ciede2000(prediction: Tensor, target: Tensor) -> Tensor:
    """CIEDE2000 color difference of every pixel (CIE 142-2001).

    After Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula: implementation notes,
    supplementary test data, and mathematical observations", 2005; kL = kC = kH = 1. A difference
    of about 1 can just be seen, 100 is black against white. Pictures are B x 3 x H x W, sRGB in
    [0, 1], the differences B x H x W.

    Raises:
        ValueError: The shapes differ or are not B x 3 x H x W, or values lie outside [0, 1].
    """
    check_pictures(prediction, target)
    first, second = (rgb_to_lab(x.float().clamp(0, 1) * 2 - 1) for x in (prediction, target))
    return ciede2000_of_lab(first, second)


def ciede2000_of_lab(first: Tensor, second: Tensor) -> Tensor:
    """CIEDE2000 of pictures in CIELAB, B x 3 x H x W: L in [0, 100], a and b."""
    (l1, a1, b1), (l2, a2, b2) = first.unbind(1), second.unbind(1)
    stretch = 1.5 - 0.5 * _saturation((torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2)
    a1, a2 = a1 * stretch, a2 * stretch
    chroma1, chroma2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    hue1, hue2 = (torch.rad2deg(torch.atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    both = chroma1 * chroma2 > 0
    turn = torch.where(both, (hue2 - hue1 + 180) % 360 - 180, 0)
    hue_difference = 2 * torch.sqrt(chroma1 * chroma2) * torch.sin(torch.deg2rad(turn / 2))
    lightness, chroma = (l1 + l2) / 2, (chroma1 + chroma2) / 2
    far = both & ((hue1 - hue2).abs() > 180)
    hue = torch.where(both, (hue1 + hue2) / 2, hue1 + hue2)
    hue = torch.where(far, (hue + 180) % 360, hue)
    weight = (
        1
        - 0.17 * _cos(hue - 30)
        + 0.24 * _cos(2 * hue)
        + 0.32 * _cos(3 * hue + 6)
        - 0.20 * _cos(4 * hue - 63)
    )
    off = (lightness - 50) ** 2
    of_lightness = (l2 - l1) / (1 + 0.015 * off / torch.sqrt(20 + off))
    of_chroma = (chroma2 - chroma1) / (1 + 0.045 * chroma)
    of_hue = hue_difference / (1 + 0.015 * chroma * weight)
    angle = torch.deg2rad(60 * torch.exp(-(((hue - 275) / 25) ** 2)))
    rotation = -2 * _saturation(chroma) * torch.sin(angle)
    square = of_lightness**2 + of_chroma**2 + of_hue**2 + rotation * of_chroma * of_hue
    return square.clamp(min=0).sqrt()


def _saturation(chroma: Tensor) -> Tensor:
    """The square root of C^7 / (C^7 + 25^7)."""
    ratio = chroma / 25
    seventh = (ratio * ratio * ratio).square() * ratio
    return torch.sqrt(seventh / (seventh + 1))


def _cos(degrees: Tensor) -> Tensor:
    return torch.cos(torch.deg2rad(degrees))


class CIEDE2000(PerImageMetric):
    """Mean CIEDE2000 color difference, of each picture first, then over pictures.

    Example:
        >>> import torch
        >>> metric = CIEDE2000()
        >>> metric.update(torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1))
        >>> metric.compute().round()
        tensor(100.)
    """

    higher_is_better = False
    plot_lower_bound = 0.0

    def score(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Mean difference of each picture, and 1."""
        means = ciede2000(prediction, target).double().mean((1, 2))
        return means, torch.ones_like(means)
