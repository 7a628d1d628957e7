"""A loss in a space where distances are what people see."""

from torch import Tensor, nn

from nirgan.utils.color_spaces import rgb_to_lab
from nirgan.utils.recording import Recorded


class LabLoss(Recorded, nn.Module):
    """Mean absolute difference of L, a and b of CIELAB, as a part of 100."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of pictures, both B x 3 x H x W, sRGB in [0, 1]: a scalar."""
        return (rgb_to_lab(prediction * 2 - 1) - rgb_to_lab(target * 2 - 1)).abs().mean() / 100
