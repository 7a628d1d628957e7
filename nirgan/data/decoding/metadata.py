"""What a camera says beside its pixels: where and when, with what, and for how large a print.

Read from the same bytes as the pixels, and as far as it is sound: a picture is not the worse for
damaged metadata. Values are copied as they are, but for their order of bytes; nothing is followed
further than two directories, and no more is kept than a JPEG can hold.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

from nirgan.data.decoding.ifd import Directory, TagValues, directory
from nirgan.data.decoding.jpeg import segments
from nirgan.data.decoding.picture import DecodeError, Metadata, Tag
from nirgan.data.decoding.png import SIGNATURE

EXIF, GPS, XMP, ICC = 34665, 34853, 700, 34675
X_PER_UNIT, Y_PER_UNIT, RESOLUTION_UNIT = 282, 283, 296
KEPT_TAGS = {271, 272, 306, 315, 316, 33432, *range(40091, 40096)}
"""Maker, model, date, artist, computer, copyright, and title to subject. What else stands in a
picture's directory is of its pixels or its bands, or gone with them."""
PIXEL_TAGS = {40962, 40963, 40965}
"""In EXIF's: width and height, which may have changed places, and a directory of its own."""
MAX_TAG_BYTES = 48 * 1024
"""Bytes of all tags; small ones are kept before large ones."""
MAX_XMP_BYTES, MAX_ICC_BYTES = 2**16, 2**22
"""Bytes."""


def metadata(data: bytes) -> Metadata:
    """The metadata of a file that has been decoded.

    Args:
        data: PNG, JPEG or TIFF.
    """
    try:
        if data.startswith(SIGNATURE):
            return _of_png(data)
        if data.startswith(b"\xff\xd8"):
            return _of_jpeg(data)
        return _of_tiff(data, Metadata())
    except (DecodeError, struct.error, zlib.error, ValueError):
        return Metadata()


def _of_jpeg(data: bytes) -> Metadata:
    found, profile, density = Metadata(), {}, None
    for segment in segments(data):
        body = data[segment.start + 4 : segment.end]
        if segment.marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 12:
            unit, across, down = struct.unpack_from(">BHH", body, 7)
            density = _dpi(across, down, {1: 1.0, 2: 2.54}.get(unit))
        elif segment.marker == 0xE1 and body.startswith(b"Exif\0\0"):
            found = _of_tiff(body[6:], found)
        elif segment.marker == 0xE1 and body.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            found = replace(found, xmp=body[29:])
        elif segment.marker == 0xE2 and body.startswith(b"ICC_PROFILE\0") and len(body) > 14:
            profile[body[12]] = body[14:]
    icc = b"".join(profile[number] for number in sorted(profile))
    return replace(found, icc=icc, dpi=density or found.dpi)


def _of_png(data: bytes) -> Metadata:
    found = Metadata()
    for kind, body in _chunks(data):
        if kind == b"eXIf":
            found = _of_tiff(body.removeprefix(b"Exif\0\0"), found)
    for kind, body in _chunks(data):
        if kind == b"pHYs" and len(body) == 9:
            across, down, unit = struct.unpack(">IIB", body)
            found = replace(found, dpi=_dpi(across, down, 0.0254 if unit == 1 else None))
        elif kind == b"iCCP":
            packed = body.partition(b"\0")[2][1:]
            found = replace(found, icc=zlib.decompressobj().decompress(packed, MAX_ICC_BYTES))
        elif kind == b"iTXt" and body.startswith(b"XML:com.adobe.xmp\0"):
            text = body[20:].split(b"\0", 2)[-1]  # behind language and translated keyword
            packed = zlib.decompressobj().decompress(text, MAX_XMP_BYTES) if body[18] else text
            found = replace(found, xmp=packed)
    return found


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Chunks but those of pixels; checksums have been looked at."""
    place = len(SIGNATURE)
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind != b"IDAT":
            yield kind, data[place + 8 : place + 8 + length]
        place += 12 + length


def _of_tiff(data: bytes, found: Metadata) -> Metadata:
    """Of a file, or of EXIF, which has the same form.

    Args:
        data: It.
        found: What is known already, which stays where there is nothing here.
    """
    try:
        main = directory(data)
    except DecodeError:
        return found
    fields = [(0, tag, main.tags[tag]) for tag in KEPT_TAGS & main.tags.keys()]
    for pointer in (EXIF, GPS):
        inner = _inner(data, main, pointer)
        fields += [(pointer, tag, value) for tag, value in inner.items() if tag not in PIXEL_TAGS]
    kept: dict[int, dict[int, Tag]] = {0: {}, EXIF: {}, GPS: {}}
    left = MAX_TAG_BYTES
    for where, tag, value in sorted(fields, key=lambda field: field[2].nbytes):
        left -= 12 + value.nbytes
        if left < 0:
            break
        if raw := value.raw():
            kept[where][tag] = Tag(value.code, value.count, raw)
    across, down = (_ratio(main, tag) for tag in (X_PER_UNIT, Y_PER_UNIT))
    unit = main.tags[RESOLUTION_UNIT].one() if RESOLUTION_UNIT in main.tags else 2
    return Metadata(
        tags=kept[0],
        exif=kept[EXIF],
        gps=kept[GPS],
        dpi=_dpi(across, down, {2: 1.0, 3: 2.54}.get(unit)) or found.dpi,
        icc=_bytes(main, ICC, MAX_ICC_BYTES) or found.icc,
        xmp=_bytes(main, XMP, MAX_XMP_BYTES) or found.xmp,
    )


def _inner(data: bytes, main: Directory, pointer: int) -> Mapping[int, TagValues]:
    try:
        return directory(data, main.tags[pointer].one()).tags if pointer in main.tags else {}
    except DecodeError:
        return {}


def _bytes(main: Directory, tag: int, most: int) -> bytes:
    return main.tags[tag].raw() if tag in main.tags and main.tags[tag].nbytes <= most else b""


def _ratio(main: Directory, tag: int) -> float:
    raw = main.tags[tag].raw() if tag in main.tags and main.tags[tag].nbytes == 8 else bytes(8)
    over, under = struct.unpack("<II", raw)
    return float(over / under) if under else 0.0


def _dpi(across: float, down: float, per_inch: float | None) -> tuple[float, float] | None:
    """Pixels per inch, if they are told; 1 is what writers say who do not know."""
    if per_inch is None or min(across, down) * per_inch <= 1:
        return None
    return across * per_inch, down * per_inch
