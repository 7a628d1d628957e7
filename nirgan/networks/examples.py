"""What methods by example keep of the pictures that they are shown."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from nirgan.errors import NirganError

DECILE_COUNT = 11
"""Numbers that say how brightness is spread: the darkest, the brightest and nine between."""


class Examples(nn.Module):
    """Of each picture its luminance statistics and some of its pixels; kept in the checkpoint.

    Args:
        pixels: Kept of a picture.
        numbers: Kept of a pixel.
        made_with: Options that decide what the numbers mean; loading examples of others is refused.
    """

    statistics: Tensor
    pixels: Tensor

    def __init__(self, pixels: int, numbers: int, **made_with: int | str) -> None:
        super().__init__()
        self.made_with = made_with | {"samples": pixels}
        self.register_buffer("statistics", torch.zeros(0, DECILE_COUNT + 2))
        self.register_buffer("pixels", torch.zeros(0, pixels, numbers))

    def __len__(self) -> int:
        return len(self.pixels)

    def add(self, luminance: Tensor, pixels: Tensor) -> None:
        """Keep a picture, in place of its luminance (H x W) the statistics of it."""
        self.statistics = torch.cat([self.statistics, statistics(luminance)[None]])
        self.pixels = torch.cat([self.pixels, pixels[None]])

    def closest(self, luminance: Tensor) -> tuple[Tensor, Tensor]:
        """The picture whose deciles of luminance are most like those of another (H x W).

        Returns:
            Mean and standard deviation of its luminance, and its pixels, `pixels` x `numbers`.
        """
        off = self.statistics - statistics(luminance)
        number = off[:, :DECILE_COUNT].abs().sum(1).argmin()
        return self.statistics[number, DECILE_COUNT:], self.pixels[number]

    def get_extra_state(self) -> dict[str, int | str]:
        """What the examples were made with."""
        return self.made_with

    def set_extra_state(self, state: dict[str, int | str]) -> None:
        """Look whether examples that are loaded mean the same here.

        Raises:
            NirganError: They do not.
        """
        for name, value in state.items():
            if self.made_with.get(name) != value:
                raise NirganError(
                    f"model.generator.{name} is {self.made_with.get(name)}, but the checkpoint was "
                    f"made with {value}; set it to that, or fit anew"
                )

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("statistics", "pixels"):
            if (kept := state.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(kept, device=self.pixels.device))
        super()._load_from_state_dict(state, prefix, *rest)


def statistics(luminance: Tensor) -> Tensor:
    """Of H x W: the least, the nine deciles, the greatest; mean; standard deviation."""
    ordered = luminance.flatten().sort().values
    places = torch.linspace(0, len(ordered) - 1, DECILE_COUNT, device=luminance.device)
    moments = torch.stack([luminance.mean(), luminance.std(correction=0)])
    return torch.cat([ordered[places.round().long()], moments])


def jittered(picture: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Places spread over a picture: one at random in every cell of a grid.

    Args:
        picture: H x W.
        count: Places; the cells are as square as its divisors let them be.
        seed: Of the places within the cells.

    Returns:
        Rows and columns, `count` each.
    """
    height, width = picture.shape
    if count < 1:
        raise ValueError(f"count is {count}, expected 1 or more")
    divisors = [n for n in range(1, count + 1) if count % n == 0]
    rows = min(divisors, key=lambda n: abs(math.log(n * n * width / (count * height))))
    columns = count // rows
    random = torch.Generator().manual_seed(seed)
    row = torch.arange(rows).repeat_interleave(columns) + torch.rand(count, generator=random)
    column = torch.arange(columns).repeat(rows) + torch.rand(count, generator=random)
    row, column = (row * height / rows).long(), (column * width / columns).long()
    return row.clamp(max=height - 1), column.clamp(max=width - 1)  # rounding may have gone beyond
