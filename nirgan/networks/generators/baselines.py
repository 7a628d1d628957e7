"""Baselines: generators that map single pixels, and are fitted in one pass over the data.

Each maps three copies of the NIR band, B x 3 x H x W in [-1, 1], to colors, like any generator,
and has `update(nir, rgb)`, which is called once for each picture: NIR B x 1 x H x W and color
B x 3 x H x W, both in [-1, 1]. It can be used after any update.
"""

import numpy as np
import torch
from torch import Tensor, nn

from nirgan.utils.recording import Recorded

LEVELS = 256
"""Entries of the table, one for every level of an 8-bit picture."""


class GreyCopy(Recorded, nn.Module):
    """The NIR band copied to red, green and blue."""

    def update(self, nir: Tensor, rgb: Tensor) -> None:
        """Do nothing: there are no parameters."""

    def forward(self, triplet: Tensor) -> Tensor:
        """B x 3 x H x W to the same, one band in all channels."""
        return triplet[:, :1].clamp(-1, 1).expand_as(triplet)


class MeanColor(Recorded, nn.Module):
    """The mean color of all training pixels, everywhere."""

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(3, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def update(self, nir: Tensor, rgb: Tensor) -> None:
        """Add the pixels of pictures."""
        self.total += rgb.sum((0, 2, 3), dtype=torch.float64)
        self.count += rgb[:, 0].numel()

    def forward(self, triplet: Tensor) -> Tensor:
        """B x 3 x H x W to the same, of one color; mid-grey before any update."""
        mean = self.total / self.count.clamp(min=1)
        return mean.to(triplet.dtype).view(3, 1, 1).expand_as(triplet)


class NirTable(Recorded, nn.Module):
    """The mean training color of each of 256 levels of NIR.

    Levels without training pixels are interpolated.
    """

    total: Tensor
    count: Tensor
    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(3, LEVELS, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(LEVELS, dtype=torch.float64))
        self.register_buffer("table", torch.linspace(-1, 1, LEVELS).repeat(3, 1))

    def update(self, nir: Tensor, rgb: Tensor) -> None:
        """Add the pixels of pictures."""
        level = _level(nir).flatten()
        self.count += torch.bincount(level, minlength=LEVELS)
        for index, channel in enumerate(rgb.unbind(1)):
            values = channel.flatten().double()
            self.total[index] += torch.bincount(level, values, minlength=LEVELS)
        count = self.count.cpu().numpy()
        seen = np.flatnonzero(count)
        means = [total[seen] / count[seen] for total in self.total.cpu().numpy()]
        lines = [np.interp(np.arange(LEVELS), seen, mean) for mean in means]
        self.table.copy_(torch.from_numpy(np.stack(lines)))

    def forward(self, triplet: Tensor) -> Tensor:
        """B x 3 x H x W to the same; a grey copy before any update."""
        colors = self.table.to(triplet.dtype)[:, _level(triplet[:, 0])]
        return colors.transpose(0, 1)


def _level(nir: Tensor) -> Tensor:
    level = ((nir + 1) * ((LEVELS - 1) / 2)).round().nan_to_num()  # nan is no index
    return level.clamp(0, LEVELS - 1).long()


BASELINES = {
    "NIR copied to grey": GreyCopy,
    "mean color": MeanColor,
    "NIR to RGB table": NirTable,
}
"""The baselines of every table, by the name of their row. The names are kept in results."""
