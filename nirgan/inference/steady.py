"""Frames a little steadier than a camera's noise, so that colours flicker no more than it does.

A network raises contrast, and the noise with it: on a scene in which nothing moves, colours change
by up to a quarter more from frame to frame than the band does (`benchmarks/flicker.py`). Mixing a
little of the former frame into each, where the two hardly differ, takes that away.
"""

import torch
from torch import Tensor

NEW = 0.8
"""Part of the new frame: change from frame to frame falls to NEW / sqrt(2 - NEW), 0.73 of it."""
STILL = 16 / 255
"""Greatest difference, of a range of 1, that is taken for noise; what moves is left alone."""


class Steady:
    """Steadies frames in their order."""

    def __init__(self) -> None:
        self._former: Tensor | None = None

    def __call__(self, frames: Tensor) -> Tensor:
        """Steady some more frames: T x H x W in [0, 1] to the same."""
        steadied = []
        for frame in frames:
            if self._former is not None:
                still = (frame - self._former).abs() <= STILL
                frame = torch.where(still, torch.lerp(self._former, frame, NEW), frame)  # noqa: PLW2901
            self._former = frame
            steadied.append(frame)
        return torch.stack(steadied)
