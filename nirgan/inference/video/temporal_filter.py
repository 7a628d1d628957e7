"""Smooths frames of a video over time, so that colors flicker no more than the band does.

A network amplifies the camera's noise: in a static scene, colors change by up to a quarter more
from frame to frame than the band. So each frame is mixed with a little of the former one, where the
two hardly differ. The statistics of layers with `by_scene`, a coarse field of color, change with
every frame, and are smoothed by a running mean (`benchmarks/flicker.py` measures both).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from nirgan.networks.global_layers import GlobalLayer

NEW_FRAME_WEIGHT = 0.7
"""Weight w of the new frame, which reduces noise from frame to frame to w / sqrt(2 - w), 61%."""
NEW_FIELD_WEIGHT = 0.25
"""Weight of the field of color of the new frame."""
MAX_NOISE_DIFFERENCE = 16 / 255
"""Largest difference, in a range of 1, that counts as noise; moving pixels are not smoothed."""
SCENE_CUT_DIFFERENCE = 0.1
"""Mean difference of frames reduced to 16 x 16 pixels that counts as a cut."""


class ColorizerLike(Protocol):
    """The part of `Colorizer` that is needed here."""

    @property
    def title(self) -> str:
        """Name and version of the model."""

    @property
    def generator(self) -> nn.Module:
        """The network."""

    @property
    def receptive_field(self) -> Any:
        """The receptive field, measured on first access."""

    def colorize_bands(self, nir: Tensor) -> Tensor:
        """B x H x W in [0, 1] to B x 3 x H x W in [0, 1]."""


class TemporalSmoother:
    """Colorizes consecutive frames of a video.

    Args:
        colorizer: Colorizes the smoothed frames.
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
        """Colorize further frames: T x H x W in [0, 1] to T x 3 x H x W in [0, 1]."""
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
    """The running mean of the statistics of a layer."""

    def __init__(self) -> None:
        self.former: Tensor | None = None

    def __call__(self, found: Tensor) -> Tensor:
        if self.former is not None:
            found = torch.lerp(self.former, found, NEW_FIELD_WEIGHT)
        self.former = found
        return found
