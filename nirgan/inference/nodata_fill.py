"""Fills pixels without data, and transparent ones, from the nearest pixels.

A network that saw them as black would darken the colors around them.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from nirgan.data.images import Pixels

FILL_RADIUS_PX = 64
"""Largest distance that values are taken from, so that every window is filled alike."""


def fill(pixels: Pixels, valid: npt.NDArray[np.bool_], far: Any) -> Pixels:
    """Replace what is not valid by the nearest value that is, within `FILL_RADIUS_PX`, or `far`."""
    if not valid.any():
        return np.full_like(pixels, far)
    # Distances are sums of steps of a 5 x 5 mask, so that what lies further away has no influence.
    distances, labels = cv2.distanceTransformWithLabels(
        (~valid).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = np.zeros(int(labels.max()) + 1, pixels.dtype)
    values[labels[valid]] = pixels[valid]
    filled: Pixels = values[labels]
    filled[distances > FILL_RADIUS_PX] = far
    return filled


def fill_transparent(pixels: Pixels, alpha: Pixels | None) -> Pixels:
    """Fill the wholly transparent pixels of a band, H x W, from those around."""
    if alpha is None or (seen := alpha > 0).all() or not seen.any():
        return pixels
    return fill(pixels, seen, np.median(pixels[seen]).astype(pixels.dtype))
