"""Measures the receptive field of a network, and divides pictures into tiles accordingly.

A tile has a core, whose colors are kept, and a halo around it. If the halo is as wide as the radius
of the receptive field, and tiles are aligned with the stride of the network, the colors of the
cores equal those of the whole picture.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nirgan.networks.global_layers import Tile, global_statistics
from nirgan.utils.rect import Rect

MIN_INPUT_PX = 64
"""Least height and width in pixels of a network's input; some networks fail on less."""

MAX_RADIUS_PX = 2048
"""A receptive field of a larger radius, in pixels, counts as unlimited."""


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive field of a network.

    Attributes:
        stride: The product of its strides: a picture that is shifted by this many pixels gives
            colors that are shifted alike.
        radius: Distance in pixels up to which a pixel influences others, a multiple of `stride`;
            None if it is unlimited.
        activations_per_pixel: Values that a forward pass computes for one pixel.
    """

    stride: int
    radius: int | None
    activations_per_pixel: float


@torch.inference_mode()
def measure_receptive_field(network: nn.Module) -> ReceptiveField:
    """Measure the receptive field of a network in eval mode, in float32 on the CPU.

    NaN spreads through every layer to all outputs that depend on it, whatever the weights. So half
    of a strip is filled with NaN; the outputs that stay finite lie outside of its influence.
    """
    stride, activations_per_pixel = _stride(network)
    picture = Rect(0, 0, 512, 512)
    whole = Tile(picture, picture, picture)
    # oneDNN may compute in blocks, in which NaN spreads further.
    with (
        warnings.catch_warnings(action="ignore"),  # about TF32
        torch.backends.mkldnn.flags(enabled=False),
        global_statistics(network, network, lambda: [(_noise(512, 512), whole)]),
    ):
        halos = [_halo(network, stride, turned) for turned in (False, True)]
    limited = [halo for halo in halos if halo is not None]
    radius = _round_up(max(limited), stride) if limited == halos else None
    return ReceptiveField(stride, radius, activations_per_pixel)


def _stride(network: nn.Module) -> tuple[int, float]:
    """Stride and activations per pixel, from the layers whose width grows with the picture's."""
    small, large = _Sizes(), _Sizes()
    for sizes, width in ((small, 256), (large, 512)):
        with sizes:
            network(_noise(256, width))
    widths = zip(small.widths, large.widths, strict=False)
    steps = [512 // wide for narrow, wide in widths if wide == 2 * narrow <= 512]
    return max(steps, default=1), large.numbers / (256 * 512)


class _Sizes(TorchFunctionMode):
    """Records the widths of all tensors that are computed, and counts their values."""

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
        strips = _noise(max(MIN_INPUT_PX, stride), width, 4)
        strips[2:] = strips[:2]
        strips[2, ..., :half] = strips[0, ..., :half].roll(7, -1) * 0.5
        strips[3, ..., half:] = strips[1, ..., half:].roll(7, -1) * 0.5
        changed = colors(strips)
        strips[0, ..., :half] = strips[1, ..., half:] = torch.nan
        touched = colors(strips[:2]).isnan().any(1).any(1)
        after, before = touched[0, half:], touched[1, :half].flip(0)
        halo = max(_extent(after), _extent(before))
        if halo < half:
            other = (changed[:2] - changed[2:]).abs()
            apart = max(other[0, ..., half + halo :].max(), other[1, ..., : half - halo].max())
            return halo if apart < 1e-4 else None  # some layer does not propagate NaN
        width *= 2
    return None


def _extent(touched: Tensor) -> int:
    places = touched.nonzero()
    return int(places.max()) + 1 if len(places) else 0


def _noise(height: int, width: int, pictures: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(pictures, 3, height, width, generator=generator) * 2 - 1


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step


def padded_size(height: int, width: int, stride: int) -> tuple[int, int]:
    """The size that a picture is padded to: at least `MIN_INPUT_PX`, a multiple of the stride."""
    return _round_up(max(height, MIN_INPUT_PX), stride), _round_up(max(width, MIN_INPUT_PX), stride)


def tile_grid(height: int, width: int, core: int, halo: int) -> Iterator[Tile]:
    """All tiles of a picture, row by row; those at its edges are not smaller than the others.

    None is smaller than `MIN_INPUT_PX`: exported programs pad smaller ones, which shifts edges. The
    height and width of the picture, those of cores, and the width of the margin around a core,
    which lies inside of the picture, are multiples of the stride.
    """
    picture = Rect(0, 0, height, width)
    least = [min(max(core + halo, _round_up(MIN_INPUT_PX, core)), side) for side in (height, width)]
    for part in picture.parts(core, core):
        input_rect = Rect(
            max(min(part.top - halo, height - least[0]), 0),
            max(min(part.left - halo, width - least[1]), 0),
            min(max(part.bottom + halo, least[0]), height),
            min(max(part.right + halo, least[1]), width),
        )
        yield Tile(input_rect, part, picture)


def blend(
    height: int, width: int, size: int, colorize: Callable[[Rect], Tensor]
) -> Iterator[tuple[Rect, Tensor]]:
    """Blend windows of a raster that overlap by half and depend only on the raster's size.

    Windows have an even `size`, those at the end are smaller; `colorize` gives their values,
    B x C x h x w, row by row.

    Yields:
        A part of the raster, and its values; all parts cover the raster once.
    """
    half = size // 2
    waiting: dict[Rect, Tensor] = {}
    for top, left in product(*(range(0, max(side - half, 1), half) for side in (height, width))):
        window = Rect(top, left, min(top + size, height), min(left + size, width))
        colors = colorize(window)
        down, across = (
            _weights(*ends, half).to(colors.device)
            for ends in ((top, window.bottom, height), (left, window.right, width))
        )
        weighted = colors * down[:, None] * across
        for part in window.parts(half, half):
            values = weighted[..., *part.within(window)] + waiting.pop(part, 0)
            no_row_follows = part.top == top or window.bottom == height
            if no_row_follows and (part.left == left or window.right == width):
                yield part, values
            else:
                waiting[part] = values


def _weights(start: int, end: int, length: int, half: int) -> Tensor:
    """Weights of a window along an axis; those of all windows sum up to 1 at each pixel."""
    rising = (torch.arange(end - start) + 0.5) / half
    weights = torch.ones_like(rising)
    if start > 0:
        weights[:half] = rising[:half]
    if end < length:
        weights[half:] = 2 - rising[half:]
    return weights
