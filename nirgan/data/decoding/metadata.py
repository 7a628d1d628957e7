"""What a camera says beside its pixels: where and when, with what, and for how large a print.

Pillow reads it, as far as it is sound: a picture is not the worse for damaged metadata. Values are
copied as they are; nothing is followed further than two directories, and no more is kept than a
JPEG can hold.
"""

import warnings
from collections.abc import Collection, Mapping
from io import BytesIO
from typing import Any

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from nirgan.data.decoding.picture import Metadata, Tag

warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")  # damaged tags are left out

EXIF, GPS, XMP, ICC = 34665, 34853, 700, 34675
PICTURE_TAGS = ORIENTATION, X_PER_UNIT, Y_PER_UNIT, RESOLUTION_UNIT = 274, 282, 283, 296
KEPT_TAGS = {271, 272, 306, 315, 316, 33432, *range(40091, 40096)}
"""Maker, model, date, artist, computer, copyright, and title to subject. What else stands in a
picture's directory is of its pixels or its bands, or gone with them."""
PIXEL_TAGS = {40962, 40963, 40965}
"""In EXIF's: width and height, which may have changed places, and a directory of its own."""
MAX_TAG_BYTES = 48 * 1024
"""Bytes of all tags; small ones are kept before large ones."""
MAX_XMP_BYTES, MAX_ICC_BYTES = 2**16, 2**22
"""Largest accepted sizes of an XMP packet and a color profile."""
MAX_DPI = 65535.0
"""The largest that a JPEG holds."""
MAX_READ_BYTES = 2**23
"""Bytes of a directory and of its values."""


class _LimitedBytes(BytesIO):
    """Raises after `MAX_READ_BYTES` bytes: Pillow reads all tags' values, which may overlap."""

    left = MAX_READ_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.left -= len(data)
        if self.left < 0:
            raise OSError("too much")  # at which Pillow keeps the tags that it has
        return data


def metadata(data: bytes) -> Metadata:
    """The metadata of EXIF, or of a TIFF file, which has the same form; none if damaged."""
    main = _tags(data, wanted={*KEPT_TAGS, *PICTURE_TAGS, EXIF, GPS, XMP, ICC})
    fields = [(0, number, main[number]) for number in KEPT_TAGS & main.keys()]
    for pointer in (EXIF, GPS):
        tags = _tags(data, main[pointer].value) if pointer in main else {}
        fields += [(pointer, number, tags[number]) for number in tags.keys() - PIXEL_TAGS]
    kept: dict[int, dict[int, Tag]] = {0: {}, EXIF: {}, GPS: {}}
    left = MAX_TAG_BYTES
    for where, number, tag in sorted(fields, key=lambda field: field[2].nbytes):
        left -= 12 + tag.nbytes
        if left < 0:
            break
        kept[where][number] = tag
    across, down, unit, turn = (
        _number(main, *tag)
        for tag in ((X_PER_UNIT, 0), (Y_PER_UNIT, 0), (RESOLUTION_UNIT, 2), (ORIENTATION, 1))
    )
    return Metadata(
        tags=kept[0],
        exif=kept[EXIF],
        gps=kept[GPS],
        dpi=dpi(across, down, {2.0: 1.0, 3.0: 2.54}.get(unit)),
        icc=_bytes(main, ICC, MAX_ICC_BYTES),
        xmp=_bytes(main, XMP, MAX_XMP_BYTES),
        orientation=int(turn) if 1 <= turn <= 8 else 1,
    )


def dpi(across: float, down: float, per_inch: float | None) -> tuple[float, float] | None:
    """Pixels per inch, from pixels per unit and the unit's part of an inch, None if not known."""
    if per_inch is None or not (across * per_inch > 1 and down * per_inch > 1):  # nan neither
        return None
    return min(across * per_inch, MAX_DPI), min(down * per_inch, MAX_DPI)


def _tags(data: bytes, place: Any = None, wanted: Collection[int] | None = None) -> dict[int, Tag]:
    """The sound tags, all or some, of the directory at a place, or of that which the head names."""
    tags: dict[int, Tag] = {}
    try:
        directory = ImageFileDirectory_v2(data[: 16 if data[2:3] == b"\x2b" else 8])  # BigTIFF
        file = _LimitedBytes(data)
        file.seek(directory.next if place is None else place)
        directory.load(file)
        for number in directory if wanted is None else directory.keys() & wanted:
            value = directory[number]
            if isinstance(value, tuple) and len(value) == 1:
                (value,) = value
            # Text stays bytes, so that it is written as it was, whatever its encoding.
            value = value.encode("latin-1") if isinstance(value, str) else value
            tags[number] = Tag(directory.tagtype[number], value)
    except Exception:  # a damaged directory raises anything
        return tags
    return tags


def _bytes(tags: Mapping[int, Tag], number: int, most: int) -> bytes:
    value = tags[number].value if number in tags else b""
    return value if isinstance(value, bytes) and len(value) <= most else b""


def _number(tags: Mapping[int, Tag], number: int, default: float) -> float:
    try:
        return float(tags[number].value)
    except (KeyError, TypeError, ValueError):
        return default
