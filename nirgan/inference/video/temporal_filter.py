"""Smooths frames of a video over time, so that colors flicker no more than the band does.

A network amplifies the camera's noise: in a static scene, colors change by up to a quarter more
from frame to frame than the band. So each frame is mixed with a little of the former one, where the
two hardly differ. The statistics of layers with `by_scene`, a coarse field of color, change with
every frame, and are smoothed by a running mean (`benchmarks/flicker.py` measures both).
"""

from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from nirgan.inference.colorizer import Colorizer
from nirgan.networks.global_layers import GlobalLayer

NEW_FRAME_WEIGHT = 0.7
"""Weight w of the new frame, which reduces noise from frame to frame to w / sqrt(2 - w), 61%."""
NEW_FIELD_WEIGHT = 0.25
"""Weight of the field of color of the new frame."""
MAX_NOISE_DIFFERENCE = 16 / 255
"""Largest difference, in a range of 1, that counts as noise; moving pixels are not smoothed."""
SCENE_CUT_DIFFERENCE = 0.1
"""Mean difference of frames reduced to 16 x 16 pixels that counts as a cut."""


class TemporalSmoother:
    """Colorizes consecutive frames of a video, which it smooths first."""

    def __init__(self, colorizer: Colorizer) -> None:
        self.colorizer = colorizer
        modules = colorizer.generator.modules()
        self._fields: dict[GlobalLayer, Tensor | None] = {
            m: None for m in modules if isinstance(m, GlobalLayer) and m.by_scene
        }
        self._former: Tensor | None = None
        # Measured before the layers get a smoother.
        self.receptive_field = colorizer.receptive_field

    def __call__(self, frames: Tensor) -> Tensor:
        """Colorize further frames: T x H x W in [0, 1] to T x 3 x H x W in [0, 1]."""
        colorize = self.colorizer.colorize_bands
        if not self._fields:
            return colorize(torch.stack([self._smooth_frame(frame) for frame in frames]))
        try:
            for layer in self._fields:
                layer.smoother = partial(self._smooth_field, layer)
            return torch.cat([colorize(self._smooth_frame(frame)[None]) for frame in frames])
        finally:
            for layer in self._fields:
                layer.smoother = None

    def _smooth_frame(self, frame: Tensor) -> Tensor:
        if self._former is not None:
            still = (frame - self._former).abs() <= MAX_NOISE_DIFFERENCE
            steadied = torch.where(still, torch.lerp(self._former, frame, NEW_FRAME_WEIGHT), frame)
            small = [adaptive_avg_pool2d(x[None], 16) for x in (self._former, frame)]
            if (small[0] - small[1]).abs().mean() > SCENE_CUT_DIFFERENCE:
                self._fields = dict.fromkeys(self._fields)
            frame = steadied
        self._former = frame
        return frame

    def _smooth_field(self, layer: GlobalLayer, found: Tensor) -> Tensor:
        """The running mean of the statistics of a layer."""
        former = self._fields[layer]
        if former is not None:
            found = torch.lerp(former, found, NEW_FIELD_WEIGHT)
        self._fields[layer] = found
        return found
