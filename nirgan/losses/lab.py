"""A loss in a space where distances are what people see."""

from torch import Tensor, nn

from nirgan.utils.color_spaces import rgb_to_lab


class LabLoss(nn.Module):
    """Mean absolute difference of L, a and b of CIELAB, as a part of 100.

    Args:
        chroma: Weight of a and b beside that of L, which is 1.
    """

    def __init__(self, chroma: float = 1.0) -> None:
        super().__init__()
        self.chroma = chroma

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of pictures, both B x 3 x H x W, sRGB in [0, 1]: a scalar."""
        off = (rgb_to_lab(prediction * 2 - 1) - rgb_to_lab(target * 2 - 1)).abs()
        weight = off.new_tensor([1, self.chroma, self.chroma]).view(3, 1, 1)
        return (off * weight).mean() / 100
