"""PNG (ISO/IEC 15948): every depth and color type, transparency, and EXIF's orientation.

Chunks, checksums and the number of rows are looked at here, because libraries fill up missing rows
and look at profiles, texts and animations. What they get is a file of header, palette and rows.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

import cv2
import numpy as np
from PIL.PngImagePlugin import PngImageFile

from nirgan.data.decoding.exif import orientation
from nirgan.data.decoding.picture import DecodedImage, DecodeError, Pixels, SizeLimit

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLORS, PALETTE, GREY_ALPHA, COLORS_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, COLORS: 3, PALETTE: 1, GREY_ALPHA: 2, COLORS_ALPHA: 4}
DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    COLORS: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GREY_ALPHA: (8, 16),
    COLORS_ALPHA: (8, 16),
}
INTERLACE_PASSES = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)
"""First row, first column, and the steps of both, of an interlaced picture's seven parts."""

MAX_CHUNK_BYTES = 2**30
"""Bytes of a chunk, which holds less than 2 GiB."""


@dataclass
class _Parts:
    """The chunks that matter."""

    header: bytes = b""
    palette: bytes = b""
    transparent: bytes = b""
    exif: bytes = b""
    rows: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    depth: int
    color: int
    interlaced: bool

    def passes(self) -> Iterator[tuple[int, int]]:
        """Rows, and bytes of a row with the number of its filter, of each part."""
        for top, left, down, right in INTERLACE_PASSES if self.interlaced else ((0, 0, 1, 1),):
            rows, columns = -((top - self.height) // down), -((left - self.width) // right)
            if rows > 0 and columns > 0:
                yield rows, 1 + (columns * self.depth * CHANNELS[self.color] + 7) // 8


def decode(data: bytes, size_limit: SizeLimit) -> DecodedImage:
    """Decode a PNG.

    Raises:
        Unusable: It is damaged, too large, or an animation.
    """
    parts = _Parts()
    header = None
    for kind, body in _chunks(data):
        if header is None:
            if kind != b"IHDR":
                raise DecodeError(f"a damaged PNG: it begins with {_shown(kind)}, expected IHDR")
            header = _header(body)
            size_limit.check(header.width, header.height)
        _keep(parts, kind, body)
    if header is None or not parts.rows:
        raise DecodeError("a damaged PNG: it has no pixels")
    pixels = _pixels(parts, header)
    return _parted(pixels, parts, header).turned(orientation(parts.exif))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of all chunks, their checksums right."""
    place = len(SIGNATURE)
    kind = b""
    while kind != b"IEND":
        if place + 12 > len(data):
            raise DecodeError(f"a PNG that is cut off after {len(data)} bytes")
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            raise DecodeError(f"a PNG that is cut off in its {_shown(kind)} chunk")
        body = data[place + 8 : end]
        if zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(data[end : end + 4], "big"):
            raise DecodeError(f"a damaged PNG: the checksum of its {_shown(kind)} chunk is wrong")
        yield kind, body
        place = end + 4


def _shown(kind: bytes) -> str:
    return kind.decode("latin-1") if kind.isalpha() else repr(kind)


def _header(body: bytes) -> _Header:
    if len(body) != 13:
        raise DecodeError(f"a damaged PNG: its header has {len(body)} bytes, expected 13")
    width, height, depth, color, compression, filters, interlace = struct.unpack(">2I5B", body)
    if depth not in DEPTHS.get(color, ()) or compression or filters or interlace > 1:
        raise DecodeError(f"a damaged PNG: no such color type and depth ({color} and {depth})")
    return _Header(width, height, depth, color, interlace == 1)


def _keep(parts: _Parts, kind: bytes, body: bytes) -> None:
    if kind == b"IDAT":
        parts.rows.append(body)
    elif kind == b"IHDR" and not parts.header:
        parts.header = body
    elif kind == b"PLTE":
        if not body or len(body) % 3 or len(body) > 768:
            raise DecodeError(f"a damaged PNG: its palette has {len(body)} bytes")
        parts.palette = body
    elif kind == b"tRNS":
        parts.transparent = body
    elif kind == b"eXIf":
        parts.exif = body
    elif kind == b"acTL" and len(body) == 8 and (frames := int.from_bytes(body[:4], "big")) > 1:
        raise DecodeError(f"an animation of {frames} frames, expected one picture")


def _rows(parts: _Parts, header: _Header) -> bytes:
    """All rows, each behind the number of its filter."""
    size = sum(rows * row for rows, row in header.passes())
    try:
        raw = zlib.decompressobj().decompress(b"".join(parts.rows), size)
    except zlib.error as error:
        raise DecodeError(f"a damaged PNG ({error})") from error
    if len(raw) < size:
        raise DecodeError(f"a damaged PNG: {len(raw)} bytes of pixels, expected {size}")
    place = 0
    for rows, row in header.passes():
        if max(raw[place : place + rows * row : row]) > 4:
            raise DecodeError("a damaged PNG: its rows are filtered in a way that is not known")
        place += rows * row
    return raw


def _pixels(parts: _Parts, header: _Header) -> Pixels:
    """H x W, of a palette its numbers, or H x W x C."""
    if header.color == PALETTE and not parts.palette:
        raise DecodeError("a damaged PNG: its palette is missing")
    file = _rebuilt(parts, header)
    if header.depth == 16 and header.color != GREY:  # Pillow makes 8 bits of those
        return _by_opencv(file, header)
    try:
        with PngImageFile(BytesIO(file)) as picture:
            pixels = np.array(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise DecodeError(f"a damaged PNG ({error})") from error
    if header.depth == 16:
        return pixels.astype(np.uint16)  # Pillow before 11.0 gives int32
    return pixels.astype(np.uint8) * np.uint8(255) if pixels.dtype == np.bool_ else pixels


def _rebuilt(parts: _Parts, header: _Header) -> bytes:
    """The same picture and nothing else, not compressed: expanding once is enough."""
    packed = memoryview(zlib.compress(_rows(parts, header), 0))
    kept: list[tuple[bytes, bytes | memoryview]] = [
        (b"IHDR", parts.header),
        (b"PLTE", parts.palette),
    ]
    rows = [
        (b"IDAT", packed[start : start + MAX_CHUNK_BYTES])
        for start in range(0, len(packed), MAX_CHUNK_BYTES)
    ]
    pieces: list[bytes | memoryview] = [SIGNATURE]
    for kind, body in (*kept, *rows, (b"IEND", b"")):
        if body or kind == b"IEND":
            pieces += _chunk(kind, body)
    return b"".join(pieces)


def _by_opencv(file: bytes, header: _Header) -> Pixels:
    pixels: Pixels | None = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        raise DecodeError("a damaged PNG")
    if header.color == GREY_ALPHA:  # as four channels
        return np.ascontiguousarray(pixels[..., 2:])
    return np.ascontiguousarray(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])


def _parted(pixels: Pixels, parts: _Parts, header: _Header) -> DecodedImage:
    """Colors and transparency."""
    if header.color == PALETTE:
        colors = np.frombuffer(parts.palette.ljust(768, b"\0"), np.uint8).reshape(256, 3)
        opaque = np.frombuffer(parts.transparent[:256].ljust(256, b"\xff"), np.uint8)
        return DecodedImage(colors[pixels], opaque[pixels] if parts.transparent else None)
    if header.color in (GREY_ALPHA, COLORS_ALPHA):
        alpha = np.ascontiguousarray(pixels[..., -1])
        color = pixels[..., 0] if header.color == GREY_ALPHA else pixels[..., :3]
        return DecodedImage(np.ascontiguousarray(color), alpha)
    if not parts.transparent:
        return DecodedImage(pixels)
    if len(parts.transparent) != 2 * CHANNELS[header.color]:
        raise DecodeError(f"a damaged PNG: {len(parts.transparent)} bytes of transparency")
    key = np.frombuffer(parts.transparent, ">u2")
    if header.depth < 8:
        key = key * (255 // (2**header.depth - 1))
    clear = pixels == key if header.color == GREY else (pixels == key).all(-1)
    return DecodedImage(pixels, np.where(clear, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype))


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk as it stands in a file."""
    return b"".join(_chunk(kind, body))


def _chunk(kind: bytes, body: bytes | memoryview) -> tuple[bytes, bytes | memoryview, bytes]:
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return struct.pack(">I", len(body)) + kind, body, struct.pack(">I", checksum)
