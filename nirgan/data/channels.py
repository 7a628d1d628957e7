"""Which channel of a picture is the near-infrared band: one rule for files, arrays and videos.

Cameras that were built for color write one near-infrared band into three channels: equal ones, or
ones with a cast, since their filters pass it unequally; and a caption may be in color. In such a
picture, color is a function of brightness but for a small part of it. In a color picture it is not:
of 200 of the EPFL scenes' one in a hundred passes.
"""

from math import isqrt
from typing import Any

import cv2
import numpy as np

from nirgan.data.decoding.picture import DecodedImage, DecodeError, Pixels
from nirgan.errors import NirganError, printable_path

MAX_CAST_LEVELS = 16.0
"""Levels of 255, the mean distance from grey, from which on a cast is taken for color."""
MAX_COLOR_LEVELS = 0.75
"""Levels of 255, the mean distance from what is usual at a brightness: more is a color picture."""
MAX_CAPTION_FRACTION = 0.05
"""Part of a picture that may be of any color."""
REPORTED_CAST_LEVELS = 1.0
"""Levels of 255, the distance from grey that a person is told of; lossy coding leaves less."""
SAMPLED_PIXELS, AVERAGED_SIDE_PX = 2**18, 64
"""Pixels that are looked at, about; and of the longer side of what they are averaged to."""


def distance_from_grey(rgb: Pixels, name: Any) -> float:
    """How far a picture is from grey.

    Args:
        rgb: H x W x 3, of any type. 255 levels are those of uint8; else its largest value.
        name: What messages call it.

    Returns:
        The cast, see `cast_of`; 0: all channels are equal.

    Raises:
        NirganError: It is one in color.
    """
    if all(np.array_equal(rgb[..., 0], rgb[..., n]) for n in (1, 2)):
        return 0.0
    step = 1 + isqrt(rgb.shape[0] * rgb.shape[1] // SAMPLED_PIXELS)
    some = np.nan_to_num(rgb[::step, ::step].astype(np.float32), posinf=0, neginf=0)
    if rgb.dtype != np.uint8:
        some *= 255 / max(float(some.max()), 1e-9)
    red, green, blue = np.moveaxis(some, -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue  # JPEG's
    return cast_of(luma, 0.564 * (blue - luma), 0.713 * (red - luma), name)


def cast_of(luma: Pixels, blue: Pixels, red: Pixels, name: Any) -> float:
    """The mean distance from grey, in levels of 255: of blue from luma, or of red if it is more.

    Args:
        luma: H x W, levels.
        blue: What JPEG and videos keep of blue's distance from luma, in levels, of any size.
        red: Likewise.
        name: What messages call it.

    Raises:
        NirganError: It is more than a cast: a picture in color.
    """
    shrink = min(1.0, AVERAGED_SIDE_PX / max(luma.shape))
    size = [max(1, round(side * shrink)) for side in luma.shape[::-1]]
    bright, *chroma = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (luma, blue, red))
    cast = max(float(np.abs(plane).mean()) for plane in chroma)
    varied = max(_varied(bright.ravel(), plane.ravel()) for plane in chroma)
    if cast > MAX_CAST_LEVELS or varied > MAX_COLOR_LEVELS:
        raise NirganError(
            f"{printable_path(name)}: 3 channels that differ (in color, by {cast:.1f} of 255 levels), "
            "expected one NIR band or equal channels; is this a color picture? --band N "
            "chooses the near-infrared one: --band 1 for red, 2 for green, 3 for blue"
        )
    return cast


def choose_channel(pixels: Pixels, alpha: Pixels | None, band: int, name: Any) -> Pixels:
    """The channel that a person has chosen, whatever it is meant for.

    Args:
        pixels: H x W, or H x W x C.
        alpha: The channel behind those, if there is one.
        band: Its number, from 1 on.
        name: What messages call it.

    Raises:
        NirganError: There is no such channel.
    """
    try:
        return DecodedImage(pixels, alpha).channel(band).pixels
    except DecodeError as error:
        raise NirganError(f"{printable_path(name)}: {error}") from error


def cast_remark(levels: float) -> str:
    """What to say of a picture of some distance from grey; mostly nothing."""
    if levels < REPORTED_CAST_LEVELS:
        return ""
    return (
        f"channels that differ by {levels:.1f} of 255 levels, a cast or a caption as it seems; "
        "the green one is taken for near-infrared, --band 1 or 3 is another"
    )


def _varied(luma: Pixels, chroma: Pixels) -> float:
    """How far chroma is from a curve of luma, on average, without the `MAX_CAPTION_FRACTION`."""
    most = 1 + int(luma.size * (1 - MAX_CAPTION_FRACTION))
    # Linear from one of 17 knots to the next: channels that are full at a level bend it there.
    curve = np.maximum(0, 1 - np.abs(luma[:, None] / 16 - np.arange(17, dtype=np.float32)))
    kept = np.arange(luma.size)
    for _ in range(4):  # what is far from the curve is left out, and no longer bends it
        found = np.linalg.lstsq(curve[kept], chroma[kept], rcond=None)[0]
        off = np.abs(chroma - curve @ found)
        kept = np.argsort(off)[:most]
    return float(off[kept].mean())
