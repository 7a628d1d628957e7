"""What kind of TIFF a file is, from its first bytes and without a library."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

TILE_WIDTH = 322
GEO_TAGS = frozenset(
    {
        33550,  # ModelPixelScale
        33922,  # ModelTiepoint
        34264,  # ModelTransformation
        34735,  # GeoKeyDirectory
        42113,  # GDAL_NODATA
        50844,  # RPCCoefficient
    }
)
MAX_TAGS = 4096
"""Tags that are looked at; a directory has a few dozen, and a damaged one says anything."""


def tags_of(path: Path) -> frozenset[int]:
    """Numbers of the tags of a TIFF's first picture; none if it is no TIFF, or damaged."""
    try:
        if not path.is_file():  # opening a pipe would wait for somebody to write into it
            return frozenset()
        with path.open("rb") as file:
            return frozenset(_tags(file))
    except (OSError, ValueError, OverflowError, struct.error):
        return frozenset()


def _tags(file: BinaryIO) -> Iterator[int]:
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        return
    (version,) = struct.unpack_from(order + "H", head, 2)
    if version not in (42, 43):  # 43: BigTIFF
        return
    big = version == 43
    (offset,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
    file.seek(offset)
    number, size = ("Q", 20) if big else ("H", 12)
    (count,) = struct.unpack(order + number, file.read(struct.calcsize(number)))
    entries = file.read(min(count, MAX_TAGS) * size)
    for place in range(0, len(entries), size):
        yield struct.unpack_from(order + "H", entries, place)[0]
