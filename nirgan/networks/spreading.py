"""Propagates color from scribbles over a picture.

Levin, Lischinski and Weiss, "Colorization using optimization", SIGGRAPH 2004: pixels of similar
luminance beside each other have similar colors. Every pixel without a scribble is the weighted
mean of its eight neighbours (eq. 1, the residuals being zero at the minimum); a neighbour weighs
exp(-(difference in luminance)^2 / (0.6 variance around the pixel)): eq. 2 has 2 in place of 0.6,
which lets a third of the color through a sharp edge, and the code that the authors published 0.6.
The variance is that of the 3x3 pixels around, of a mirrored picture at its border, and has a floor.
The sparse linear system is solved by SciPy's SuperLU.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter
from scipy.sparse import csc_array, eye_array
from scipy.sparse.linalg import splu

Array = npt.NDArray[Any]

OFFSETS = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0)]
SHARPNESS = 0.6
"""Factor of the variance in the denominator of eq. 2."""
MIN_VARIANCE = 1e-5
"""Least variance of luminance in [-1, 1], less than of a step of 8 bits: there is only noise."""


def spread(luminance: Array, colors: Array, clear: Array) -> Array:
    """Fill in the colors, H x W x C, of all but `clear` pixels, H x W, of which there is one.

    The luminance is H x W in [-1, 1].
    """
    known = clear.ravel()
    weights = neighbor_weights(luminance)[~known]
    flat = colors.reshape(len(known), -1).astype(np.float64)
    system = eye_array(weights.shape[0], format="csc") - weights[:, ~known]
    flat[~known] = splu(system).solve(weights[:, known] @ flat[known])
    return flat.reshape(colors.shape)


def neighbor_weights(luminance: Array) -> csc_array:
    """The weights of each pixel's neighbours in H x W of [-1, 1]: HW x HW, rows sum to 1."""
    mean, square = uniform_filter(luminance, 3), uniform_filter(luminance**2, 3)
    variance = np.maximum(square - mean**2, MIN_VARIANCE)
    number = np.arange(luminance.size).reshape(luminance.shape)
    pieces = []
    for down, right in OFFSETS:
        here = _overlap(down, right)
        there = _overlap(-down, -right)
        off = luminance[here] - luminance[there]
        weight = np.exp(-(off**2) / (SHARPNESS * variance[here]))
        pieces.append((weight.ravel(), number[here].ravel(), number[there].ravel()))
    value, row, column = (np.concatenate(part) for part in zip(*pieces, strict=True))
    total = np.bincount(row, value, minlength=luminance.size)
    return csc_array((value / total[row], (row, column)), shape=(luminance.size,) * 2)


def _overlap(down: int, right: int) -> tuple[slice, slice]:
    """The pixels that have a neighbour at this offset."""
    return (
        slice(max(0, -down), -down if down > 0 else None),
        slice(max(0, -right), -right if right > 0 else None),
    )
