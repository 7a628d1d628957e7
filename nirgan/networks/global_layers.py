"""Layers whose output depends on the whole picture, and how to run them tile by tile.

A convolution needs a neighbourhood; instance norm needs the mean over the whole picture, and a
global branch needs all of it, scaled down. Such a layer can gather its statistics from the tiles of
a picture first, see `global_statistics`, and then gives what it would give of the whole.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import instance_norm, interpolate

from nirgan.utils.rect import Rect


@dataclass(frozen=True)
class Tile:
    """A part of a picture that is the input of a network.

    Attributes:
        input_rect: The pixels of the input.
        core: The inner part whose output is kept; the cores of all tiles cover the picture once.
        picture: All of the picture.
    """

    input_rect: Rect
    core: Rect
    picture: Rect

    def core_of(self, hidden: Tensor) -> Tensor:
        """The part of a layer's values, B x C x h x w of any scale, that belongs to the core."""
        scale = self.input_rect.shape[0] // hidden.shape[-2]
        rows, columns = self.core.within(self.input_rect)
        return hidden[
            ...,
            rows.start // scale : rows.stop // scale,
            columns.start // scale : columns.stop // scale,
        ]


class GatheredError(Exception):
    """Stops a forward pass at the given layer, which has gathered a tile and needs the others."""


class GlobalLayer(nn.Module):
    """A layer whose output at one place depends on all of its input.

    A subclass implements `compute_statistics`, `accumulate`, and `finalize` if a sum is not enough.

    Attributes:
        by_scene: Whether a raster, which shows more than a scene, has to be cut into windows, each
            a picture of its own.
        whole_statistics: Those of the whole picture, while `global_statistics` is active.
        tile: Where the current input lies in the picture, while `global_statistics` is active.
        gathered: The sum of the parts of the tiles so far.
        smoother: Gives what is used instead of a picture's statistics, a running mean over the
            frames of a video for instance; None: they are used as they are.
    """

    by_scene = False

    def __init__(self) -> None:
        super().__init__()
        self.whole_statistics: Any = None
        self.tile: Tile | None = None
        self.gathered: Any = 0
        self.smoother: Callable[[Any], Any] | None = None

    def smooth(self, known: Any) -> Any:
        """Return the statistics to use for a picture; in videos, a running mean."""
        return known if self.smoother is None else self.smoother(known)

    @abstractmethod
    def compute_statistics(self, x: Tensor) -> Any:
        """The statistics of an input that is a whole picture."""

    @abstractmethod
    def accumulate(self, x: Tensor, tile: Tile) -> Tensor:
        """What a tile adds to the sum that is passed to `finalize`."""

    def finalize(self, gathered: Tensor) -> Any:
        """The statistics of the picture, from the sum over its tiles."""
        return gathered

    def statistics(self, x: Tensor) -> Any:
        """The statistics of the whole picture if they are known, else those of `x`."""
        if self.whole_statistics is not None:
            return self.whole_statistics
        if self.tile is not None:
            self.gathered = self.gathered + self.accumulate(x, self.tile)
            raise GatheredError(self)
        return self.smooth(self.compute_statistics(x))


class Moments(GlobalLayer):
    """A layer that needs the mean and the mean square of every channel over the whole picture."""

    def compute_statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and mean square, both B x C x 1 x 1, of B x C x H x W."""
        return x.mean((2, 3), keepdim=True), x.square().mean((2, 3), keepdim=True)

    def accumulate(self, x: Tensor, tile: Tile) -> Tensor:
        """The sums of a tile's core."""
        core = tile.core_of(x).double()
        ones = torch.ones_like(core[:, :1])
        return torch.cat([part.sum((2, 3), keepdim=True) for part in (core, core**2, ones)], 1)

    def finalize(self, gathered: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and mean square, in double precision."""
        mean, square = (gathered[:, :-1] / gathered[:, -1:]).chunk(2, 1)
        return mean, square


class InstanceNorm(Moments):
    """Instance norm (Ulyanov et al. 2016) without weights, as torch's."""

    eps = 1e-5

    def forward(self, x: Tensor) -> Tensor:
        """Normalize B x C x H x W."""
        if self.whole_statistics is None and self.tile is None:
            return instance_norm(x, eps=self.eps)
        mean, square = cast(tuple[Tensor, Tensor], self.statistics(x))
        scale = torch.rsqrt(square - mean.square() + self.eps)
        return (x - mean.to(x.dtype)) * scale.to(x.dtype)


class Thumbnail(GlobalLayer):
    """A picture scaled to a square, bilinear and without smoothing, as torch's `interpolate`."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W to B x C x size x size."""
        return cast(Tensor, self.statistics(x))

    def compute_statistics(self, x: Tensor) -> Tensor:
        """See `forward`."""
        return interpolate(x, (self.size, self.size), mode="bilinear", align_corners=False)

    def accumulate(self, x: Tensor, tile: Tile) -> Tensor:
        """The pixels whose upper left neighbour lies in the tile's core."""
        height, width = tile.picture.shape
        in_rows, in_columns = tile.core.inner
        rows, lower, down = _between(height, self.size, in_rows, x.device)
        columns, right_of, across = _between(width, self.size, in_columns, x.device)
        y = torch.stack([lower, (lower + 1).clamp(max=height - 1)]) - tile.input_rect.top
        z = torch.stack([right_of, (right_of + 1).clamp(max=width - 1)]) - tile.input_rect.left
        upper, under = (torch.lerp(x[:, :, v][..., z[0]], x[:, :, v][..., z[1]], across) for v in y)
        mixed = torch.lerp(upper, under, down[:, None])
        pixels = x.new_zeros(*x.shape[:2], self.size, self.size)
        pixels[:, :, rows[:, None], columns] = mixed
        return pixels


def _between(
    length: int, size: int, part: slice, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Which places of the small axis lie after which of the large one, and how far after it."""
    places = torch.arange(size, device=device)
    exact = ((places + 0.5) * (length / size) - 0.5).clamp(min=0)
    before = exact.long()
    mine = (before >= part.start) & (before < part.stop)
    return places[mine], before[mine], (exact - before)[mine].float()


def set_tile(network: nn.Module, tile: Tile) -> None:
    """Set the tile of the next input on all global layers of a network."""
    for module in network.modules():
        if isinstance(module, GlobalLayer):
            module.tile = tile


@contextmanager
def global_statistics(
    network: nn.Module,
    run: Callable[[Tensor], Any],
    tiles: Callable[[], Iterable[tuple[Tensor, Tile]]],
) -> Iterator[None]:
    """Let a network treat tiles as parts of one picture; call `set_tile` before each of them.

    Every global layer costs a pass over all tiles, up to that layer: `tiles` gives all of them
    each time it is called, and `run` runs the network, in eval mode, on one.
    """
    layers = [m for m in network.modules() if isinstance(m, GlobalLayer)]
    try:
        while any(layer.whole_statistics is None for layer in layers):
            stopped: GlobalLayer | None = None
            for pixels, tile in tiles():
                set_tile(network, tile)
                try:
                    run(pixels)
                    break  # the others are not used
                except GatheredError as gathered:
                    (stopped,) = gathered.args
            if stopped is None:
                break
            stopped.whole_statistics = stopped.smooth(stopped.finalize(stopped.gathered))
        yield
    finally:
        for layer in layers:
            layer.whole_statistics, layer.tile, layer.gathered = None, None, 0
