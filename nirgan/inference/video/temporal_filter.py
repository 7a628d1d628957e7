"""Frames of a video, colorized so that colors flicker no more than the band does.

A network raises contrast, and a camera's noise with it: on a scene in which nothing moves, colors
change by up to a quarter more from frame to frame than the band. Mixing a little of the former
frame into each, where the two hardly differ, takes that away. A network that sees the whole scene
sees each frame anew, and what it makes of it moves as the scene does: its field of color, which is
coarse, follows slowly (`benchmarks/flicker.py` measures both).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from nirgan.networks.global_layers import GlobalLayer

NEW_FRAME_WEIGHT = 0.7
"""Part of the new frame: change from frame to frame falls to NEW / sqrt(2 - NEW), 0.61 of it."""
NEW_FIELD_WEIGHT = 0.25
"""Part of the new frame's field of color."""
MAX_NOISE_DIFFERENCE = 16 / 255
"""Greatest difference, of a range of 1, that is taken for noise; what moves is left alone."""
SCENE_CUT_DIFFERENCE = 0.1
"""Mean difference of two frames, at 16 x 16 pixels, above which they show different scenes."""


class ColorizerLike(Protocol):
    """What of a `Colorizer` is needed here."""

    @property
    def title(self) -> str:
        """What made the colors."""

    @property
    def generator(self) -> nn.Module:
        """The network."""

    @property
    def receptive_field(self) -> Any:
        """How far it looks, measured when it is first asked for."""

    def colorize_bands(self, nir: Tensor) -> Tensor:
        """B x H x W in [0, 1] to B x 3 x H x W in [0, 1]."""


class TemporalSmoother:
    """Colorizes frames in their order.

    Args:
        colorizer: Makes the colors.
    """

    def __init__(self, colorizer: ColorizerLike) -> None:
        self.colorizer = colorizer
        scenes = [m for m in colorizer.generator.modules() if isinstance(m, GlobalLayer)]
        self._fields = {layer: _SmoothedStatistics() for layer in scenes if layer.by_scene}
        self._former: Tensor | None = None
        if self._fields:
            self.receptive_field = (
                colorizer.receptive_field
            )  # measured now, not with a field that follows

    def __call__(self, frames: Tensor) -> Tensor:
        """Colorize some more frames: T x H x W in [0, 1] to T x 3 x H x W in [0, 1]."""
        if not self._fields:
            return self.colorizer.colorize_bands(
                torch.stack([self._steadied(frame) for frame in frames])
            )
        with self._following():
            return torch.cat(
                [self.colorizer.colorize_bands(self._steadied(f)[None]) for f in frames]
            )

    def _steadied(self, frame: Tensor) -> Tensor:
        if self._former is not None:
            still = (frame - self._former).abs() <= MAX_NOISE_DIFFERENCE
            steadied = torch.where(still, torch.lerp(self._former, frame, NEW_FRAME_WEIGHT), frame)
            small = [adaptive_avg_pool2d(x[None], 16) for x in (self._former, frame)]
            if (small[0] - small[1]).abs().mean() > SCENE_CUT_DIFFERENCE:
                for field in self._fields.values():
                    field.former = None
            frame = steadied
        self._former = frame
        return frame

    @contextmanager
    def _following(self) -> Iterator[None]:
        try:
            for layer, field in self._fields.items():
                layer.smooth = field  # type: ignore[assignment, method-assign]
            yield
        finally:
            for layer in self._fields:
                del layer.smooth


class _SmoothedStatistics:
    """What a network knows of a frame, mixed with what it knew of those before."""

    def __init__(self) -> None:
        self.former: Tensor | None = None

    def __call__(self, found: Tensor) -> Tensor:
        if self.former is not None:
            found = torch.lerp(self.former, found, NEW_FIELD_WEIGHT)
        self.former = found
        return found
