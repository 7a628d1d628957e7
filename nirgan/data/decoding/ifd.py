"""Directories of TIFF files, and of EXIF, which has the same form."""

import struct
from dataclasses import dataclass, replace

import numpy as np

from nirgan.data.decoding.picture import DecodeError, Pixels

INTEGER_TYPES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""The types of field that hold whole numbers, as numpy and struct call them."""

TYPE_BYTES = {
    **dict.fromkeys((1, 2, 6, 7), (1, 1)),
    **dict.fromkeys((3, 8), (2, 2)),
    **dict.fromkeys((4, 9, 11, 13), (4, 4)),
    **dict.fromkeys((5, 10), (8, 4)),
    **dict.fromkeys((12, 16, 17, 18), (8, 8)),
}
"""Bytes of a value of each type, and of the numbers that it consists of."""

MAX_TAGS = 4096
"""Tags of a directory that is believed."""


@dataclass(frozen=True)
class TagValues:
    """What a tag says; read when it is asked for.

    Attributes:
        tag: Its number.
        data: The file.
        place: Where the values begin.
        count: How many.
        kind: Their type, as numpy calls it; empty: no whole numbers.
        code: The number of their type.
        order: `<` or `>`.
    """

    tag: int
    data: bytes
    place: int
    count: int
    kind: str
    code: int
    order: str

    @property
    def nbytes(self) -> int:
        """How many bytes they take; 0 of a type that is not known."""
        return self.count * TYPE_BYTES.get(self.code, (0, 1))[0]

    def raw(self) -> bytes:
        """Those bytes, little-endian; empty where they lie beyond the end of the file."""
        unit = TYPE_BYTES.get(self.code, (0, 1))[1]
        found = self.data[self.place : self.place + self.nbytes]
        if len(found) < self.nbytes:
            return b""
        return np.frombuffer(found, f"{self.order}u{unit}").astype(f"<u{unit}").tobytes()

    def all(self) -> Pixels:
        """All of them.

        Raises:
            Unusable: They lie beyond the end of the file, or are no whole numbers.
        """
        if not self.kind:
            raise DecodeError(f"a damaged TIFF: tag {self.tag} holds no whole numbers")
        kind = np.dtype(self.kind)
        if self.place + self.count * kind.itemsize > len(self.data):
            raise DecodeError(f"a TIFF that is cut off: tag {self.tag} lies beyond its end")
        return np.frombuffer(self.data, kind, self.count, self.place)

    def one(self) -> int:
        """The first.

        Raises:
            Unusable: There is none.
        """
        if not self.count:
            raise DecodeError(f"a damaged TIFF: tag {self.tag} is empty")
        return int(self.all()[0])


@dataclass(frozen=True)
class Directory:
    """A directory.

    Attributes:
        order: `<` or `>`, as struct has it.
        tags: Its tags.
        next: Where the next one begins; 0: nowhere.
    """

    order: str
    tags: dict[int, TagValues]
    next: int


def directory(data: bytes, place: int = 0) -> Directory:
    """Read a directory.

    Args:
        data: The file.
        place: Where it begins; 0: where the file's head says.

    Raises:
        Unusable: It does not lie within the file.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
    try:
        (version,) = struct.unpack_from(order + "H", data, 2)
        if not order or version not in (42, 43):  # 43: BigTIFF
            raise DecodeError("a damaged TIFF: no such version")
        big = version == 43
        number, pointer, entry = ("Q", "Q", 20) if big else ("H", "I", 12)
        (place,) = (place,) if place else struct.unpack_from(order + pointer, data, 8 if big else 4)
        (count,) = struct.unpack_from(order + number, data, place)
        first = place + struct.calcsize(number)
        if count > MAX_TAGS:
            raise DecodeError(f"a damaged TIFF: a directory of {count} tags")
        tags = [_values(data, order, first + n * entry, pointer) for n in range(count)]
        last = first + count * entry
        ended = last + struct.calcsize(pointer) > len(data)  # as that of some EXIF does
        (after,) = (0,) if ended else struct.unpack_from(order + pointer, data, last)
    except (struct.error, OverflowError) as error:
        raise DecodeError("a TIFF that is cut off: a directory lies beyond its end") from error
    return Directory(order, {values.tag: values for values in reversed(tags)}, after)


def _values(data: bytes, order: str, place: int, pointer: str) -> TagValues:
    tag, kind, count = struct.unpack_from(order + "HH" + pointer, data, place)
    place += 4 + struct.calcsize(pointer)
    letter = INTEGER_TYPES.get(kind, "")
    values = TagValues(tag, data, place, count, letter and order + letter, kind, order)
    if values.nbytes <= struct.calcsize(pointer):
        return values
    return replace(values, place=struct.unpack_from(order + pointer, data, place)[0])
