"""How far a network looks, measured, and the tiles that follow from it.

A tile has a core, whose colors are kept, and a halo around it, which they are computed from too.
With a halo as wide as the network looks, and cuts where its strided layers begin a step, cores are
what the whole picture would have given there.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nirgan.networks.global_layers import Tile, global_statistics

MIN_SIDE_PX = 64
"""Least height and width that a network is shown; several fail on a few pixels."""

MAX_RADIUS_PX = 2048
"""A network that looks further than this is taken for one that looks at everything."""


@dataclass(frozen=True)
class Rect:
    """A part of a picture, in pixels: rows `top` to `bottom`, columns `left` to `right`."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def inner(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True)
class ReceptiveField:
    """How a network looks at a picture.

    Attributes:
        stride: The step of its strided layers: moved by this many pixels, a picture gives the same
            colors, moved.
        radius: How many pixels away a pixel has an influence, a multiple of `stride`; None if
            everywhere.
        activations_per_pixel: Numbers that a forward pass makes for one pixel.
    """

    stride: int
    radius: int | None
    activations_per_pixel: float


@torch.inference_mode()
def measure_receptive_field(network: nn.Module) -> ReceptiveField:
    """Measure a network in eval mode, in float32 on the CPU.

    Not-a-number spreads through every layer to all that depends on it, whatever the weights: what
    half a strip full of it leaves untouched lies out of reach.
    """
    stride, activations_per_pixel = _stride(network)
    whole = Tile(0, 0, 512, 512, (0, 0, 512, 512), 512, 512)
    # oneDNN may compute in blocks, in which not-a-number spreads further than it should.
    with (
        warnings.catch_warnings(action="ignore"),  # of TF32, which is not asked for
        torch.backends.mkldnn.flags(enabled=False),
        global_statistics(network, network, lambda: [(_noise(512, 512), whole)]),
    ):
        halos = [_halo(network, stride, turned) for turned in (False, True)]
    if None in halos:
        return ReceptiveField(stride, None, activations_per_pixel)
    return ReceptiveField(
        stride, _up(max(h for h in halos if h is not None), stride), activations_per_pixel
    )


def _stride(network: nn.Module) -> tuple[int, float]:
    """`ReceptiveField.period` and `ReceptiveField.floats`: layers whose width grows with the picture's tell both."""
    small, large = _Sizes(), _Sizes()
    for sizes, width in ((small, 256), (large, 512)):
        with sizes:
            network(_noise(256, width))
    widths = zip(small.widths, large.widths, strict=False)
    steps = [512 // wide for narrow, wide in widths if wide == 2 * narrow <= 512]
    return max(steps, default=1), large.numbers / (256 * 512)


class _Sizes(TorchFunctionMode):
    """Notes the width of all that is made, and how many numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.widths: list[int] = []
        self.numbers = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor) and made.dim() == 4:
            self.widths.append(made.shape[-1])
            self.numbers += made.numel()
        return made


def _halo(network: nn.Module, stride: int, turned: bool) -> int | None:
    def colors(strips: Tensor) -> Tensor:
        return network(strips.mT).mT if turned else network(strips)  # type: ignore[no-any-return]

    width = max(256, 4 * stride)
    while width <= 2 * MAX_RADIUS_PX:
        half = width // 2
        strips = _noise(max(MIN_SIDE_PX, stride), width, 4)
        strips[2:] = strips[:2]
        strips[2, ..., :half] = strips[0, ..., :half].roll(7, -1) * 0.5
        strips[3, ..., half:] = strips[1, ..., half:].roll(7, -1) * 0.5
        changed = colors(strips)
        strips[0, ..., :half] = strips[1, ..., half:] = torch.nan
        touched = colors(strips[:2]).isnan().any(1).any(1)
        after, before = touched[0, half:], touched[1, :half].flip(0)
        halo = max(_last(after), _last(before))
        if halo < half:
            other = (changed[:2] - changed[2:]).abs()
            apart = max(other[0, ..., half + halo :].max(), other[1, ..., : half - halo].max())
            return halo if apart < 1e-4 else None  # something took no notice of not-a-number
        width *= 2
    return None


def _last(touched: Tensor) -> int:
    places = touched.nonzero()
    return int(places.max()) + 1 if len(places) else 0


def _noise(height: int, width: int, pictures: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(pictures, 3, height, width, generator=generator) * 2 - 1


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


def padded_size(height: int, width: int, stride: int) -> tuple[int, int]:
    """The size that a network is shown a picture in: no smaller, and whole periods."""
    return _up(max(height, MIN_SIDE_PX), stride), _up(max(width, MIN_SIDE_PX), stride)


def tile_grid(height: int, width: int, core: int, halo: int) -> Iterator[Tile]:
    """All tiles of a picture, row by row; those at its end are no smaller than the others.

    Nor is one at an edge smaller than `MIN_SIDE_PX`: exported programs pad what is, and so move the edge.

    Args:
        height: Of the picture, whole periods.
        width: Likewise.
        core: Height and width of the inner part, whole periods.
        halo: Around it, where the picture goes on, whole periods.
    """
    least = [min(max(core + halo, _up(MIN_SIDE_PX, core)), side) for side in (height, width)]
    for top in range(0, height, core):
        for left in range(0, width, core):
            bottom, right = min(top + core, height), min(left + core, width)
            yield Tile(
                max(min(top - halo, height - least[0]), 0),
                max(min(left - halo, width - least[1]), 0),
                min(max(bottom + halo, least[0]), height),
                min(max(right + halo, least[1]), width),
                (top, left, bottom, right),
                height,
                width,
            )


class Blending:
    """Windows of a raster that overlap by half, and fade into one another.

    Where they lie, and so what they show, depends on the raster alone.

    Args:
        height: Of the raster.
        width: Likewise.
        size: Height and width of a window, even; those at the end are smaller.
    """

    def __init__(self, height: int, width: int, size: int) -> None:
        self.half = size // 2
        self.rows, self.columns = (self._axis(length) for length in (height, width))
        self._cells: dict[tuple[int, int], Tensor] = {}

    @property
    def windows(self) -> Iterator[Rect]:
        """All of them, row by row."""
        for top, bottom in self.rows:
            for left, right in self.columns:
                yield Rect(top, left, bottom, right)

    def add(self, window: Rect, values: Tensor) -> Iterator[tuple[Rect, Tensor]]:
        """Take what was found in the next window; give what no further one changes.

        Args:
            window: The next of `windows`.
            values: Of its pixels, B x C x h x w.

        Yields:
            A part of the raster, and its values; the parts of all windows cover it once.
        """
        down = self._weights(window.top, window.bottom, self.rows, values)
        across = self._weights(window.left, window.right, self.columns, values)
        weighted = values * down[:, None] * across
        for top in range(window.top, window.bottom, self.half):
            for left in range(window.left, window.right, self.half):
                bottom = min(top + self.half, window.bottom)
                right = min(left + self.half, window.right)
                inner = (
                    slice(top - window.top, bottom - window.top),
                    slice(left - window.left, right - window.left),
                )
                cell = weighted[..., *inner]
                before = self._cells.get((top, left))
                self._cells[top, left] = cell.clone() if before is None else before + cell
        last_row, last_column = (
            window.bottom == self.rows[-1][1],
            window.right == self.columns[-1][1],
        )
        for top, left in sorted(self._cells):
            if (top <= window.top or last_row) and (left <= window.left or last_column):
                cell = self._cells.pop((top, left))
                yield Rect(top, left, top + cell.shape[-2], left + cell.shape[-1]), cell

    def _axis(self, length: int) -> list[tuple[int, int]]:
        starts = range(0, max(length - self.half, 1), self.half)
        return [(start, min(start + 2 * self.half, length)) for start in starts]

    def _weights(self, start: int, end: int, axis: list[tuple[int, int]], like: Tensor) -> Tensor:
        """Of a window's pixels along an axis; those of all windows at a pixel sum up to 1."""
        rising = (torch.arange(end - start, device=like.device) + 0.5) / self.half
        weights = torch.ones_like(rising)
        if start > 0:
            weights[: self.half] = rising[: self.half]
        if end < axis[-1][1]:
            weights[self.half :] = 2 - rising[self.half :]
        return weights
