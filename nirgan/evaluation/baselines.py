"""What a method that knows nothing scores: generators without training.

Each maps three copies of the NIR band, B x 3 x H x W in [-1, 1], to colours, like any generator.
"""

from torch import Tensor, nn


class GreyCopy(nn.Module):
    """The NIR band copied to red, green and blue."""

    def forward(self, triplet: Tensor) -> Tensor:
        """B x 3 x H x W to the same, one band in all channels."""
        return triplet[:, :1].expand_as(triplet)


class MeanColour(nn.Module):
    """One colour everywhere.

    Args:
        colour: Red, green, blue in [0, 1].
    """

    colour: Tensor

    def __init__(self, colour: Tensor) -> None:
        super().__init__()
        self.register_buffer("colour", colour.view(3, 1, 1))

    def forward(self, triplet: Tensor) -> Tensor:
        """B x 3 x H x W to the same, of one colour."""
        return (self.colour * 2 - 1).expand_as(triplet)
