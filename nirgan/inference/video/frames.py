"""Converts decoded video frames to upright near-infrared bands.

The codes of 8 to 16 bits are unchanged; in limited range, 16 is black and 235 is white. They are
scaled to [0, 1] in one step, with the limits that the user chose.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange

from nirgan.data.channels import AVERAGED_SIDE_PX, choose_channel, measure_cast
from nirgan.data.images import Pixels, one_band
from nirgan.data.scaling import Limits, Scale

PLANAR = re.compile(r"(gray|yuvj?a?4\d\dp)(\d+)?(le|be)?")
"""Pixel formats whose first plane is the luma, in the low bits of each number."""

CHROMA_STEP_PX = 4
"""Step in pixels at which the chroma of large frames is checked."""

Matrix = tuple[int, int, int, int]


@dataclass(frozen=True)
class PixelCodes:
    """The meaning of the codes of a band.

    Attributes:
        bits: 8 to 16.
        limited: Black is 16 and white 235 (of 8 bits; likewise of more), not 0 and 255.
    """

    bits: int
    limited: bool

    def limits(self, scale: Scale, band: Pixels, name: Any) -> Limits:
        """The codes that become 0 and 1; LOW and HIGH of a scale lie between 0 and 2^bits - 1.

        Raises:
            NirganError: See `Scale.limits`.
        """
        if scale.kind == "percentile":
            return scale.limits(band, name)
        most = 2.0**self.bits - 1
        chosen = scale.within(most, name) if scale.kind == "range" else Limits(0.0, most)
        if not self.limited:
            return chosen
        black, span = (code * 2 ** (self.bits - 8) for code in (16, 219))
        return Limits(black + span * chosen.low / most, black + span * chosen.high / most)


def band_of(frame: VideoFrame, name: Any, band: int | None = None) -> tuple[Pixels, PixelCodes]:
    """The near-infrared band of a decoded frame: a channel, or all, see `nirgan.data.channels`.

    Gives H x W, uint8 or uint16, not turned yet, and what its numbers mean.

    Raises:
        NirganError: It is a color picture, or has no such channel.
    """
    planar = PLANAR.fullmatch(frame.format.name)
    grey = planar is not None and planar[1] == "gray"
    if planar is None or frame.planes[0].line_size < 0 or (band is not None and not grey):
        return _band_of_colors(frame, name, band)  # RGB, or stored from the bottom up
    bits = int(planar[2] or 8)
    order = ">" if planar[3] == "be" else "<"
    luma, *chroma = (_numbers(plane, bits, order) for plane in frame.planes[:3])
    full = frame.color_range == ColorRange.JPEG.value
    unsaid = frame.color_range == ColorRange.UNSPECIFIED.value
    # Unspecified, YUV is limited and grey is full, as in FFmpeg's own conversions.
    codes = PixelCodes(bits, not (full or (grey and unsaid)))
    luma = luma.astype(luma.dtype.newbyteorder("="))
    if band is not None:
        choose_channel(luma, band, name)
    elif len(chroma) > 1:
        _refuse_color(luma, chroma[0], chroma[1], codes, name)
    return luma, codes


def _numbers(plane: VideoPlane, bits: int, order: str) -> Pixels:
    kind = np.dtype(np.uint8 if bits == 8 else f"{order}u2")
    rows: Pixels = np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)
    return rows[:, : plane.width]


def _band_of_colors(frame: VideoFrame, name: Any, band: int | None) -> tuple[Pixels, PixelCodes]:
    deep = any(component.bits > 8 for component in frame.format.components)
    bits = 16 if deep else 8
    colors = frame.to_ndarray(format="rgb48le" if deep else "rgb24")
    chosen = one_band(colors, name)[0] if band is None else choose_channel(colors, band, name)
    return chosen, PixelCodes(bits, limited=False)


def _refuse_color(luma: Pixels, blue: Pixels, red: Pixels, codes: PixelCodes, name: Any) -> None:
    black, luma_range, chroma_range = (16, 219, 224) if codes.limited else (0, 255, 255)
    step = CHROMA_STEP_PX if min(blue.shape) > CHROMA_STEP_PX * AVERAGED_SIDE_PX else 1
    unit = np.float32(2 ** (codes.bits - 8))
    down, across = (step * -(-a // b) for a, b in zip(luma.shape, blue.shape, strict=True))
    bright = (luma[::down, ::across] / unit - black) * np.float32(255 / luma_range)
    chroma = [
        (p[::step, ::step] / unit - 128) * np.float32(255 / chroma_range) for p in (blue, red)
    ]
    measure_cast(bright, chroma[0], chroma[1], name)


def display_matrix(frame: VideoFrame) -> Matrix | None:
    """The rotation of frames: a, b, c, d of FFmpeg's display matrix; None if there is none.

    PyAV leaks such a frame until Python collects cycles, so call it once for each video.
    """
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return None
    matrix = np.frombuffer(bytes(data), np.int32)
    return int(matrix[0]), int(matrix[1]), int(matrix[3]), int(matrix[4])


def upright(band: Pixels, matrix: Matrix | None) -> tuple[Pixels, bool]:
    """A band as a player turns it, by quarters; whether height and width have changed places."""
    if matrix is None:
        return band, False
    a, b, c, d = matrix  # the pixel at (x, y) is shown at (a x + c y, b x + d y)
    turned = abs(b) + abs(c) > abs(a) + abs(d)
    if turned:
        band, a, d = band.T, c, b
    band = band[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(band), turned
