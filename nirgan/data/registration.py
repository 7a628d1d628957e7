"""Measures the registration of the two pictures of a pair."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from nirgan.data.images import Pixels, as_depth

MIN_BLOCK_PX, MAX_BLOCK_PX = 32, 128
"""Limits of the height and width of compared blocks, half the picture's smaller side."""

MAX_SHIFT_PX = 16.0
"""A larger shift of a block, in pixels, counts as a false match."""

MIN_RESPONSE = 0.08
"""Least response of the phase correlation; blocks with less have no usable structure."""

MAX_REGISTERED_PX = (0.75, 1.0)
"""Shift and spread in pixels below which a pair counts as registered."""


@dataclass(frozen=True)
class Registration:
    """Shift of the NIR picture against the color one.

    Attributes:
        shift: Length of the median shift of all blocks, in pixels.
        spread: Median distance of the blocks' shifts from it, in pixels.
    """

    shift: float
    spread: float

    @property
    def good(self) -> bool:
        """Whether pixel-to-pixel training is safe."""
        return self.shift < MAX_REGISTERED_PX[0] and self.spread < MAX_REGISTERED_PX[1]


def measure(nir: Pixels, rgb: Pixels) -> Registration | None:
    """Measure the registration of a pair by phase correlation of blocks of their edges.

    Edges are compared, not brightness: what is bright in NIR may be dark in color. NIR is H x W,
    RGB H x W x 3, both of any depth.

    Returns:
        None if fewer than three blocks have usable structure.
    """
    if min(nir.shape) < 2:
        return None
    edges_nir, edges_rgb = _edges(nir), _edges(rgb.mean(2, dtype=np.float32).astype(rgb.dtype))
    size = min(max(MIN_BLOCK_PX, min(nir.shape) // 2), MAX_BLOCK_PX, *nir.shape)
    window = cv2.createHanningWindow((size, size), cv2.CV_32F)
    shifts = []
    for top in range(0, nir.shape[0] - size + 1, size // 2):
        for left in range(0, nir.shape[1] - size + 1, size // 2):
            block = np.s_[top : top + size, left : left + size]
            a = np.ascontiguousarray(edges_rgb[block])
            b = np.ascontiguousarray(edges_nir[block])
            shift, response = cv2.phaseCorrelate(a, b, window)
            if response > MIN_RESPONSE and math.hypot(*shift) < MAX_SHIFT_PX:
                shifts.append(shift)
    if len(shifts) < 3:
        return None
    median = np.median(shifts, axis=0)
    distances = np.linalg.norm(np.array(shifts) - median, axis=1)
    return Registration(math.hypot(*median), float(np.median(distances)))


def _edges(band: Pixels) -> Pixels:
    smooth = cv2.GaussianBlur(as_depth(band, np.dtype(np.float32)), (0, 0), 1.0)
    edges: Pixels = cv2.magnitude(
        cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    )
    # The logarithm keeps a single strong edge from dominating a block.
    levelled: Pixels = np.log1p(edges / (edges.mean() + 1e-6))
    return levelled
