"""Decides which channel of a picture is the NIR band, the same for files, arrays and videos.

Color cameras write a near-infrared band into three channels: equal ones, or ones with a color cast,
since their filters pass it unequally; and there may be a caption in color. In such a picture, color
is a function of brightness except in a small part. In a color picture it is not: of 200 color
pictures of EPFL's, one in a hundred is accepted.
"""

from math import isqrt
from typing import Any

import cv2
import numpy as np

from nirgan.data.decoding.picture import DecodedImage, DecodeError, Pixels
from nirgan.errors import NirganError

MAX_CAST_LEVELS = 16.0
"""Mean distance from grey, in levels of 255, above which a picture counts as color."""
MAX_COLOR_LEVELS = 0.75
"""Mean distance from the color that is usual at a brightness, in levels of 255, likewise."""
MAX_CAPTION_FRACTION = 0.05
"""Fraction of the pixels that may have any color."""
REPORTED_CAST_LEVELS = 1.0
"""Distance from grey, in levels of 255, that is reported; that of lossy compression is less."""
DARKEST_WHITE_LEVELS = 128.0
"""White of 8 bits, at least: what is darker may be noise of compression."""
SAMPLED_PIXELS, AVERAGED_SIDE_PX = 2**18, 64
"""About how many pixels are checked, and the longer side that they are averaged to."""


def distance_from_grey(rgb: Pixels, name: Any) -> float:
    """Measure how far a picture, H x W x 3, is from grey; white is its largest value.

    Returns:
        The cast, see `measure_cast`; 0 if all channels are equal.

    Raises:
        NirganError: It is in color.
    """
    if all(np.array_equal(rgb[..., 0], rgb[..., n]) for n in (1, 2)):
        return 0.0
    step = 1 + isqrt(rgb.shape[0] * rgb.shape[1] // SAMPLED_PIXELS)
    some = np.nan_to_num(rgb[::step, ::step].astype(np.float32), posinf=0, neginf=0)
    darkest = DARKEST_WHITE_LEVELS if rgb.dtype == np.uint8 else 1e-9
    some *= 255 / max(float(some.max()), darkest)  # the colors of dim pictures are dim
    red, green, blue = np.moveaxis(some, -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue  # JPEG's
    return measure_cast(luma, 0.564 * (blue - luma), 0.713 * (red - luma), name)


def measure_cast(luma: Pixels, blue: Pixels, red: Pixels, name: Any) -> float:
    """The mean distance of blue from luma, or of red if that is larger, in levels of 255.

    Luma is H x W; blue and red are chroma as in JPEG and videos, of any size; all are levels.

    Raises:
        NirganError: It is a picture in color.
    """
    shrink = min(1.0, AVERAGED_SIDE_PX / max(luma.shape))
    size = [max(1, round(side * shrink)) for side in luma.shape[::-1]]
    bright, *chroma = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (luma, blue, red))
    cast = max(float(np.abs(plane).mean()) for plane in chroma)
    varied = max(_distance_from_curve(bright.ravel(), plane.ravel()) for plane in chroma)
    if cast > MAX_CAST_LEVELS or varied > MAX_COLOR_LEVELS:
        raise NirganError(
            f"{name}: 3 channels that differ (in color, by {cast:.1f} of 255 "
            "levels), expected one NIR band or equal channels; is this a color picture? --band N "
            "chooses the near-infrared one: --band 1 for red, 2 for green, 3 for blue"
        )
    return cast


def choose_channel(pixels: Pixels, band: int, name: Any) -> Pixels:
    """The channel of H x W or H x W x C that the user has chosen, from 1 on.

    Raises:
        NirganError: There is no such channel.
    """
    try:
        return DecodedImage(pixels).channels([band]).pixels
    except DecodeError as error:
        raise NirganError(f"{name}: {error}") from error


def cast_remark(levels: float) -> str:
    """A remark about a picture with a distance from grey; empty if it is small."""
    if levels < REPORTED_CAST_LEVELS:
        return ""
    return (
        f"channels that differ by {levels:.1f} of 255 levels, a cast or a caption as it seems; "
        "the green one is taken for near-infrared, --band 1 or 3 is another"
    )


def _distance_from_curve(luma: Pixels, chroma: Pixels) -> float:
    """Mean distance of chroma from a curve over luma, without the `MAX_CAPTION_FRACTION`."""
    most = 1 + int(luma.size * (1 - MAX_CAPTION_FRACTION))
    # Piecewise linear with 17 knots, since saturated channels bend the curve.
    curve = np.maximum(0, 1 - np.abs(luma[:, None] / 16 - np.arange(17, dtype=np.float32)))
    kept = np.arange(luma.size)
    for _ in range(4):  # outliers are left out of the next fit
        found = np.linalg.lstsq(curve[kept], chroma[kept], rcond=None)[0]
        off = np.abs(chroma - curve @ found)
        kept = np.argsort(off)[:most]
    return float(off[kept].mean())
