"""Stores reference pictures for methods by example."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from nirgan.errors import NirganError

DECILE_COUNT = 11
"""Quantiles that describe the distribution of brightness: minimum, nine deciles, maximum."""


class Examples(nn.Module):
    """Stores luminance statistics and some pixels of each picture, in buffers that grow.

    Args:
        pixels: Pixels that are stored of a picture.
        numbers: Numbers that are stored of a pixel.
        made_with: Options that the numbers depend on; examples with other options cannot be loaded.
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
        """Store a picture: the statistics of its luminance (H x W), and its pixels."""
        self.statistics = torch.cat([self.statistics, statistics(luminance)[None]])
        self.pixels = torch.cat([self.pixels, pixels[None]])

    def closest(self, luminance: Tensor) -> tuple[Tensor, Tensor]:
        """The stored picture whose deciles of luminance are most similar to those of H x W.

        Gives mean and standard deviation of its luminance, and its pixels, `pixels` x `numbers`.
        """
        off = self.statistics - statistics(luminance)
        number = off[:, :DECILE_COUNT].abs().sum(1).argmin()
        return self.statistics[number, DECILE_COUNT:], self.pixels[number]

    def get_extra_state(self) -> dict[str, int | str]:
        """The options that the examples were made with."""
        return self.made_with

    def set_extra_state(self, state: dict[str, int | str]) -> None:
        """Check that loaded examples were made with the same options.

        Raises:
            NirganError: They were not.
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
    """Minimum, nine deciles, maximum, mean and standard deviation of H x W."""
    ordered = luminance.flatten().sort().values
    places = torch.linspace(0, len(ordered) - 1, DECILE_COUNT, device=luminance.device)
    moments = torch.stack([luminance.mean(), luminance.std(correction=0)])
    return torch.cat([ordered[places.round().long()], moments])


def jittered(picture: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Sample positions of H x W on a jittered grid: one at random in every cell.

    The cells are as square as the divisors of `count` allow. Gives `count` rows and columns.
    """
    height, width = picture.shape
    divisors = [n for n in range(1, count + 1) if count % n == 0]
    rows = min(divisors, key=lambda n: abs(math.log(n * n * width / (count * height))))
    columns = count // rows
    random = torch.Generator().manual_seed(seed)
    row = torch.arange(rows).repeat_interleave(columns) + torch.rand(count, generator=random)
    column = torch.arange(columns).repeat(rows) + torch.rand(count, generator=random)
    row, column = (row * height / rows).long(), (column * width / columns).long()
    return row.clamp(max=height - 1), column.clamp(max=width - 1)  # rounding may exceed it
