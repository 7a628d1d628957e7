"""JPEG (ITU-T T.81): grey or color, baseline or progressive, and EXIF's orientation.

Pillow makes the pixels, which refuses what is cut off; libjpeg alone would leave it grey. It gets
none of the segments that cameras add: those that are there to harm keep Pillow busy for hours.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from nirgan.data.decoding.metadata import dpi, metadata
from nirgan.data.decoding.picture import DecodedImage, DecodeError, Metadata, SizeLimit

SCAN_MARKER = 0xDA
EXIF, XMP = (0xE1, b"Exif\0\0"), (0xE1, b"http://ns.adobe.com/xap/1.0/\0")
ICC = (0xE2, b"ICC_PROFILE\0")
CAMERA_SEGMENTS = frozenset(range(0xE1, 0xF0)) - {0xEE} | {0xFE}
"""Markers of application data, but not JFIF's and Adobe's, which say how colors are stored."""
WITHOUT_LENGTH = {0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)}
"""To Pillow, which would look for segments in what follows these."""

AFTER_CODES = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
"""A marker within the codes of a scan, but those that belong to them."""
MAX_SCANS = 200
"""A progressive picture has about ten; a file of thousands keeps a decoder busy for hours."""


def decode(data: bytes, size_limit: SizeLimit, bands: Sequence[int] = ()) -> DecodedImage:
    """Decode a JPEG, see `decode.decode`.

    Raises:
        DecodeError: It is damaged, too large, of four inks, or of more than 8 bits.
    """
    segments = list(_segments(data))
    _refuse_many_scans(segments[-1][1])
    kept = (
        b"\xff" + bytes([kind]) + body for kind, body in segments if kind not in CAMERA_SEGMENTS
    )
    try:
        with JpegImageFile(BytesIO(b"\xff\xd8" + b"".join(kept))) as picture:
            size_limit.check(*picture.size)
            if picture.mode == "CMYK":
                raise DecodeError(
                    "a JPEG of four inks (CMYK), made for printing; expected grey or red, green, "
                    "blue"
                )
            pixels = np.array(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise DecodeError(f"not a readable JPEG ({error})") from error
    info = _metadata(segments)
    across, down = picture.info.get("dpi", (0, 0))  # JFIF's
    info = replace(info, dpi=dpi(across, down, 1.0) or info.dpi)
    return DecodedImage(pixels, metadata=info).channels(bands)


def _refuse_many_scans(data: bytes) -> None:
    """Refuse more than `MAX_SCANS` of them in what follows the first one's marker."""
    scans, place = 1, int.from_bytes(data[:2], "big")
    while marker := AFTER_CODES.search(data, place):
        if marker[1] == b"\xd9":  # the end; what lies behind it is no part of the picture
            return
        scans += marker[1] == b"\xda"
        if scans > MAX_SCANS:
            raise DecodeError(f"a JPEG of more than {MAX_SCANS} scans, which is made to waste time")
        place = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers, and what follows each: its length and content, all the rest in case of a scan."""
    place = 2
    while True:
        start = place
        while data[place : place + 1] == b"\xff":  # any number may stand before a marker
            place += 1
        if place == start or place + 3 > len(data):
            raise DecodeError(f"a JPEG that is damaged or cut off at byte {start}")
        marker, place = data[place], place + 1
        length = int.from_bytes(data[place : place + 2], "big")
        end = len(data) if marker == SCAN_MARKER else place + length
        if length < 2 or end > len(data) or marker in WITHOUT_LENGTH:
            raise DecodeError(f"a JPEG that is damaged or cut off at byte {start}")
        yield marker, data[place:end]
        if marker == SCAN_MARKER:
            return
        place = end


def _metadata(segments: list[tuple[int, bytes]]) -> Metadata:
    def of(kind: tuple[int, bytes]) -> list[bytes]:
        marker, name = kind
        return [b[2 + len(name) :] for m, b in segments if m == marker and b[2:].startswith(name)]

    info = metadata(next(iter(of(EXIF)), b""))
    profile = {body[0]: body[2:] for body in of(ICC) if body}
    icc = b"".join(profile[number] for number in sorted(profile))
    return replace(info, icc=icc, xmp=next(iter(of(XMP)), info.xmp))
