"""How much color there is in pictures: Hasler and Suesstrunk 2003."""

import torch
from torch import Tensor

from nirgan.metrics.functional import check_pictures
from nirgan.metrics.per_image import PerImageMetric


def colorfulness(pictures: Tensor) -> Tensor:
    """Colorfulness of every picture of B x 3 x H x W, sRGB in [0, 1]: B numbers.

    0 is grey, about 15 slightly and 109 extremely colorful. Hasler and Suesstrunk, "Measuring
    colorfulness in natural images", Human Vision and Electronic Imaging 2003, section 6: of the
    opponent colors red - green and (red + green) / 2 - blue, on a scale of 255, the length of the
    standard deviations and 0.3 of the length of the means.
    """
    red, green, blue = (pictures.double() * 255).unbind(1)
    opponents = torch.stack([red - green, (red + green) / 2 - blue]).flatten(2)
    spread, center = opponents.std(2, correction=0), opponents.mean(2)
    return (torch.hypot(*spread) + 0.3 * torch.hypot(*center)).float()


class ColorfulnessRatio(PerImageMetric):
    """Colorfulness of predicted pictures over that of the true ones, both means over pictures.

    1 is as colorful as the truth, 0 is grey.

    Example:
        >>> import torch
        >>> red = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
        >>> metric = ColorfulnessRatio()
        >>> metric.update(red / 2, red)
        >>> metric.compute()
        tensor(0.5000)
    """

    plot_lower_bound = 0.0

    def score(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Colorfulness of each predicted and of each true picture."""
        check_pictures(prediction, target)
        return colorfulness(prediction), colorfulness(target)

    @staticmethod
    def value_from_sums(numerator: Tensor, denominator: Tensor) -> Tensor:
        """The ratio; nan where the true pictures are grey."""
        return torch.where(denominator > 0, numerator / denominator, torch.nan)
