"""A U-Net on a reduced view of the whole scene, with an encoder pretrained on ImageNet.

A few hundred pairs do not teach what a sky or a lawn is. Here a small view of the picture, whose
size does not depend on that of the picture, goes through an EfficientNet-Lite0 and a
U-Net decoder (Ronneberger, Fischer and Brox, "U-Net", MICCAI 2015). They give a field of color: a
gain and an offset for each channel, which are applied to the band on the logit scale. The band has
full size, so detail is kept.

The field is upsampled along the edges of the band by a guided filter (He and Sun, "Fast
guided filter", 2015): at the decoder's size, every offset is fitted as a line over the band in a
small window, and the slopes and intercepts are upsampled.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from nirgan.networks.efficientnet_lite import FEATURE_CHANNELS, STRIDE, EfficientNetLite
from nirgan.networks.global_layers import GlobalLayer, Tile
from nirgan.networks.initialization import pretrained
from nirgan.networks.layers import convolution, local_mean
from nirgan.utils.recording import Recorded

MIN_VIEW_PX = 2 * STRIDE
"""Least height and width of a view in pixels: exports treat layers of one pixel differently."""

LOGIT_MARGIN = 0.98
"""The band is scaled by this before the logit, which is infinite at 0 and 1."""


class SceneUNet(Recorded, GlobalLayer):
    """Encoder, decoder and guided filter.

    Args:
        weights: Initial weights of the encoder: `imagenet`, from the extra `pretrained`, or
            `random`.
        view: Long side of the encoder's input in pixels. Smaller pictures are not enlarged, except
            those below 64 pixels.
        widths: Channels of the decoder at 1/16, 1/8, ... of the view; the last is the finest.
        frozen: How many of the encoder's first blocks are not trained; 0 trains the stem too.
        dropout: Probability that a channel of the coarsest features is left out in training.
        drop_path: See `EfficientNetLite`.
        radius: Of the guided filter's window, in pixels of the field.
        epsilon: Variance of the band's logit below which the guided filter smooths.
    """

    by_scene = True

    def __init__(
        self,
        weights: Literal["imagenet", "random"] = "random",
        view: int = 352,
        widths: Sequence[int] = (128, 96, 64),
        frozen: int = 0,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        radius: int = 2,
        epsilon: float = 0.05,
    ) -> None:
        super().__init__()
        most = len(FEATURE_CHANNELS) - 1
        if not 1 <= len(widths) <= most:
            raise ValueError(f"widths has {len(widths)} levels, expected 1 to {most}")
        if view < MIN_VIEW_PX:
            raise ValueError(f"view is {view} pixels, expected {MIN_VIEW_PX} or more")
        self.view, self.radius, self.epsilon = view, radius, epsilon
        self.step = STRIDE >> len(widths)
        self.encoder = EfficientNetLite(drop_path)
        if weights == "imagenet" and pretrained():
            self.encoder.load_imagenet()
        if frozen:
            self.encoder.freeze(frozen)
        *skips, deepest = FEATURE_CHANNELS
        self.dropout = nn.Dropout2d(dropout)
        self.bottom = convolution(deepest, widths[0], 1)
        self.context = nn.Linear(deepest, widths[0])
        inputs = [widths[0], *widths]
        self.up = nn.ModuleList(
            convolution(below + skip, width, 3)
            for below, skip, width in zip(inputs, reversed(skips), widths, strict=False)
        )
        self.last = nn.Conv2d(widths[-1], 6, 3, padding=1)
        nn.init.zeros_(cast(Tensor, self.last.bias))
        nn.init.normal_(self.last.weight, std=0.01)

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to the same."""
        band = triplet.mean(1, keepdim=True)
        field = cast(Tensor, self.statistics(band))
        down, across = self._axes(field, band)
        gains, offsets = (
            [_resampled(down, part, across) for part in parts.unbind(1)]
            for parts in field.chunk(2, 1)
        )
        half = 0.5 * _logit(band[:, 0])
        pairs = zip(gains, offsets, strict=True)
        return torch.stack([torch.tanh(torch.addcmul(o, g, half)) for g, o in pairs], 1)

    def field(self, view: Tensor) -> Tensor:
        """Three gains and three offsets, B x 6 x h/s x w/s, of a view, B x 1 x h x w in [-1, 1]."""
        hidden = self.features(view.expand(-1, 3, -1, -1))
        gain, offset = self.last(hidden).float().chunk(2, 1)
        guide = _logit(avg_pool2d(view, self.step))
        slope, intercept = _guided(guide, offset, self.radius, self.epsilon)
        return torch.cat((1 + gain + slope, 0.5 * intercept), 1)  # tanh(x / 2) undoes the logit

    def features(self, view: Tensor) -> Tensor:
        """The output of the decoder, B x C x h/s x w/s, for B x 3 x h x w in [-1, 1]."""
        *skips, deepest = self.encoder(view)
        deepest = self.dropout(deepest)
        hidden: Tensor = self.bottom(deepest) + self.context(deepest.mean((2, 3)))[..., None, None]
        for block, skip in zip(self.up, reversed(skips), strict=False):
            hidden = interpolate(hidden, skip.shape[-2:], mode="bilinear")
            hidden = block(torch.cat((hidden, skip), 1))
        return hidden

    def compute_statistics(self, x: Tensor) -> Tensor:
        """The field of a band, B x 1 x H x W in [-1, 1]."""
        height, width = x.shape[-2:]
        high, wide = self._size(height, width)
        view = _resampled(_axis(height, high, x), x[:, 0], _axis(width, wide, x))
        return self.field(view[:, None])

    def accumulate(self, x: Tensor, tile: Tile) -> Tensor:
        """What a tile's core adds to the view."""
        height, width = tile.picture.shape
        high, wide = self._size(height, width)
        rows, columns = tile.core.inner
        down, across = _axis(height, high, x)[:, rows], _axis(width, wide, x)[:, columns]
        return _resampled(down, tile.core_of(x)[:, 0], across)[:, None]

    def finalize(self, gathered: Tensor) -> Tensor:
        """The field of the view."""
        return self.field(gathered)

    def _size(self, height: int, width: int) -> tuple[int, int]:
        """The size of the view, multiples of 32."""
        longest = torch.sym_max(torch.sym_max(height, width), self.view)  # type: ignore[no-untyped-call]
        sides = (side * self.view // longest for side in (height, width))
        high, wide = (
            STRIDE * torch.sym_max((side + STRIDE // 2) // STRIDE, MIN_VIEW_PX // STRIDE)  # type: ignore[no-untyped-call]
            for side in sides
        )
        return high, wide

    def _axes(self, field: Tensor, band: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of upsampling the field to the size of a picture, or of a tile of it."""
        (high, wide), (height, width) = field.shape[-2:], band.shape[-2:]
        if self.tile is None:
            return _axis(high, height, band), _axis(wide, width, band)
        whole, corner = self.tile.picture.shape, self.tile.input_rect
        return (
            _axis(high, whole[0], band)[corner.top : corner.top + height],
            _axis(wide, whole[1], band)[corner.left : corner.left + width],
        )


def _logit(band: Tensor) -> Tensor:
    return 2 * torch.atanh(LOGIT_MARGIN * band.float().clamp(-1, 1))


def _guided(guide: Tensor, offsets: Tensor, radius: int, epsilon: float) -> tuple[Tensor, Tensor]:
    """Slope and intercept by which each offset, B x 3 x h x w, follows the guide, B x 1 x h x w."""
    mean = partial(local_mean, radius=radius)
    center, level = mean(guide), mean(offsets)
    slope = mean(guide * offsets) - center * level
    slope = slope / (mean(guide * guide) - center * center + epsilon)
    return mean(slope), mean(level - slope * center)


def _axis(length: int, size: int, like: Tensor) -> Tensor:
    """Weights, size x length, of resampling an axis of `length` pixels to `size`.

    Linear interpolation, with antialiasing if the size is reduced.
    """
    scale = length / size
    centers = (torch.arange(size, device=like.device) + 0.5) * scale
    distance = torch.arange(length, device=like.device) + 0.5 - centers[:, None]
    reach = torch.sym_max(scale, 1.0)  # type: ignore[no-untyped-call]
    weights: Tensor = (1 - distance.abs() / reach).clamp(min=0)
    return weights / weights.sum(1, keepdim=True)


def _resampled(down: Tensor, pictures: Tensor, across: Tensor) -> Tensor:
    """Resample B x h x w by the weights of both axes, see `_axis`, in full precision.

    Uses `bmm`: `@` flattens axes, which torch.export accepts only if it can prove their sizes.
    """
    batch = pictures.shape[0]  # `len` would be a constant in exports
    with torch.autocast(pictures.device.type, enabled=False):
        halfway = torch.bmm(down.expand(batch, -1, -1), pictures.float())
        return torch.bmm(halfway, across.mT.expand(batch, -1, -1))
