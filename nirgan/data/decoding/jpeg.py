"""JPEG (ITU-T T.81): grey or color, baseline or progressive, and EXIF's orientation.

Segments are looked at here. What Pillow gets has none of the cameras' own: no previews beside the
picture, no profiles.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from nirgan.data.decoding.exif import orientation
from nirgan.data.decoding.picture import DecodedImage, DecodeError, SizeLimit

FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
SCAN_MARKER = 0xDA
COMMENT = 0xFE
CAMERA_SEGMENTS = frozenset(range(0xE1, 0xF0)) - {0xEE} | {COMMENT}
"""All that applications add but JFIF's and Adobe's, which say how colors are stored."""

MAX_SCANS = 200
"""A progressive picture has about ten; a file of thousands keeps a decoder busy for hours."""


@dataclass(frozen=True)
class _Segment:
    """A marker and what belongs to it: `data[start:end]`, the marker included."""

    marker: int
    start: int
    end: int


def decode(data: bytes, size_limit: SizeLimit) -> DecodedImage:
    """Decode a JPEG.

    Raises:
        Unusable: It is damaged, too large, of four inks, or of more than 8 bits.
    """
    kept, turn, channels = [b"\xff\xd8"], 1, 0
    for segment in segments(data):
        body = data[segment.start + 4 : segment.end]
        if segment.marker == 0xE1 and body.startswith(b"Exif\0\0") and turn == 1:
            turn = orientation(body[6:])
        if segment.marker in FRAME_MARKERS:
            channels = _checked(body, size_limit)
        if segment.marker not in CAMERA_SEGMENTS:
            kept.append(data[segment.start : segment.end])
    if not channels:
        raise DecodeError("a damaged JPEG: its size is missing")
    if data.count(b"\xff\xda") > MAX_SCANS:
        raise DecodeError(f"a JPEG of more than {MAX_SCANS} scans, which is made to waste time")
    try:
        with JpegImageFile(BytesIO(b"".join(kept))) as picture:
            pixels = np.array(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise DecodeError(f"not a whole JPEG picture ({error})") from error
    return DecodedImage(pixels, lossy=True).turned(turn)


def segments(data: bytes) -> Iterator[_Segment]:
    """All that comes before the first scan, and at last that scan with everything after it."""
    place = 2
    while True:
        start = place
        while data[place : place + 1] == b"\xff":  # any number may stand before a marker
            place += 1
        if place == start or place + 3 > len(data):
            raise DecodeError(f"a JPEG that is damaged or cut off at byte {start}")
        marker = data[place]
        if marker == SCAN_MARKER:
            yield _Segment(marker, place - 1, len(data))
            return
        end = place + 1 + int.from_bytes(data[place + 1 : place + 3], "big")
        if end < place + 3 or end > len(data):
            raise DecodeError(f"a JPEG that is damaged or cut off at byte {start}")
        yield _Segment(marker, place - 1, end)
        place = end


def _checked(frame: bytes, size_limit: SizeLimit) -> int:
    """The number of channels of a picture that can be decoded."""
    if len(frame) < 6:
        raise DecodeError("a damaged JPEG: its size is cut off")
    precision, channels = frame[0], frame[5]
    size_limit.check(int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big"))
    if precision != 8:
        raise DecodeError(f"a JPEG of {precision} bits, expected 8; make a PNG or TIFF of it")
    if channels == 4:
        raise DecodeError(
            "a JPEG of four inks (CMYK), made for printing; expected grey or red, green, blue"
        )
    if channels not in (1, 3):
        raise DecodeError(f"a JPEG of {channels} channels, expected 1 or 3")
    return channels
