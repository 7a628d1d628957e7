"""The strips and tiles of a TIFF: unpacked, and put side by side."""

import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import accumulate

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from nirgan.data.decoding.picture import Pixels, Unusable
from nirgan.data.decoding.tiff_layout import Layout, Stored

NONE, DEFLATE = 1, (8, 32946)
BY_PILLOW = {5: "LZW", 32773: "PackBits", 34925: "LZMA", 50000: "Zstandard"}
"""Compressions of plain bytes that libtiff undoes; those of pictures (JPEG, fax) are not read."""

BATCH = 2**25
"""Bytes that libtiff expands at once, unless one block has more."""

AT_ONCE = 2**20
"""Values whose bits are unpacked at once; each takes 16 bytes meanwhile."""


def read_blocks(data: bytes, layout: Layout, places: Sequence[int], sizes: Sequence[int]) -> Pixels:
    """The picture, H x W x C; uint8, uint16 or float32.

    Raises:
        Unusable: A block is missing or damaged, or compressed in a way that is not read.
    """
    if layout.compression not in (NONE, *DEFLATE, *BY_PILLOW):
        raise Unusable(
            f"a TIFF of compression {layout.compression}, expected none, deflate, "
            f"{', '.join(BY_PILLOW.values())}"
        )
    if layout.predictor not in (1, 2, 3) or (layout.predictor > 1 and layout.stored.packed):
        raise Unusable(f"a damaged TIFF: predictor {layout.predictor} is not known")
    for place, size in zip(places[: layout.blocks], sizes, strict=False):
        if place + size > len(data):
            raise Unusable(f"a TIFF that is cut off after {len(data)} bytes")
    dtype = layout.stored.dtype
    final = np.dtype(np.float32) if dtype.kind == "f" else dtype.newbyteorder("=")
    picture = np.empty((layout.height, layout.width, layout.samples), final)
    blocks = _expanded(data, layout, places, sizes)
    for (channel, top, left), raw in zip(layout.corners(), blocks, strict=True):
        rows = min(layout.block_height, layout.height - top)
        columns = min(layout.block_width, layout.width - left)
        block = _values(raw, layout, rows)
        channels = slice(channel, channel + 1) if layout.planes else slice(None)
        with np.errstate(over="ignore"):  # float64 beyond float32 is seen as infinite
            picture[top : top + rows, left : left + columns, channels] = block[:, :columns]
    return picture


def _expanded(
    data: bytes, layout: Layout, places: Sequence[int], sizes: Sequence[int]
) -> Iterator[bytes]:
    """The blocks, uncompressed."""
    pieces = [
        data[place : place + size]
        for place, size in zip(places[: layout.blocks], sizes, strict=False)
    ]
    try:
        if layout.compression in BY_PILLOW:
            of_plane = layout.blocks // (layout.samples if layout.planes else 1)
            step = max(1, BATCH // layout.block_bytes)
            for plane in range(0, layout.blocks, of_plane):
                for first in range(0, of_plane, step):
                    last = min(first + step, of_plane)
                    yield from _by_pillow(pieces[plane + first : plane + last], layout, first)
        elif layout.compression in DEFLATE:
            for piece in pieces:
                yield zlib.decompressobj().decompress(piece, layout.block_bytes)
        else:
            yield from pieces
    except (zlib.error, OSError, SyntaxError, ValueError) as error:
        raise Unusable(f"a damaged TIFF: its pixels cannot be unpacked ({error})") from error


def _by_pillow(pieces: Sequence[bytes], layout: Layout, first: int) -> Iterator[bytes]:
    """Have libtiff expand blocks, as strips of a picture of 8-bit grey, whatever they are.

    Args:
        pieces: Compressed, one after the other.
        layout: Of the picture.
        first: How many blocks of the same channels come before.
    """
    if layout.block_bytes > (Image.MAX_IMAGE_PIXELS or math.inf):  # Pillow would warn, or refuse
        raise Unusable(
            f"a TIFF of strips of {layout.block_bytes / 1e6:.0f} MB, compressed with "
            f"{BY_PILLOW[layout.compression]}; save it with smaller strips, or with deflate"
        )
    rows = len(pieces) * layout.block_height
    if not layout.tiled:
        rows = min(rows, layout.height - first * layout.block_height)
    tags = {
        256: layout.row_bytes,
        257: rows,
        258: 8,
        259: layout.compression,
        262: 1,
        277: 1,
        278: layout.block_height,
    }
    lists = 8 + 2 + 12 * (len(tags) + 2) + 4
    sizes = [len(piece) for piece in pieces]
    starts = list(accumulate(sizes[:-1], initial=lists + 8 * len(pieces)))
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()]
    for n, (tag, values) in enumerate(((273, starts), (279, sizes))):
        place = lists + n * 4 * len(pieces) if len(pieces) > 1 else values[0]
        entries.insert((5, 8)[n], struct.pack("<HHII", tag, 4, len(pieces), place))
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + b"".join(entries) + bytes(4)
    table = struct.pack(f"<{2 * len(pieces)}I", *starts, *sizes)
    with TiffImageFile(BytesIO(b"".join((head, table, *pieces)))) as file:
        raw = file.tobytes()
    for start in range(0, len(raw), layout.block_bytes):
        yield raw[start : start + layout.block_bytes]


def _values(raw: bytes, layout: Layout, rows: int) -> Pixels:
    """The first rows of a block: rows x columns x channels."""
    wanted = layout.row_bytes * rows
    if len(raw) < wanted:
        raise Unusable(f"a damaged TIFF: a strip or tile of {len(raw)} bytes, expected {wanted}")
    shape = (rows, layout.block_width, layout.in_block)
    packed = np.frombuffer(raw, np.uint8, wanted).reshape(rows, layout.row_bytes)
    stored = layout.stored
    if stored.packed:
        return _unpacked(packed, stored.bits, shape[1] * shape[2]).reshape(shape)
    if layout.predictor == 3:
        return _of_float_differences(packed, stored, shape)
    values = packed.reshape(-1).view(stored.dtype).reshape(shape)
    if layout.predictor == 2:
        whole = f"u{stored.dtype.itemsize}"  # floats too are differences of whole numbers
        numbers = values.view(stored.order + whole).astype(whole)
        return np.cumsum(numbers, 1, numbers.dtype).view(stored.dtype.newbyteorder("="))
    return values


def _unpacked(packed: Pixels, bits: int, columns: int) -> Pixels:
    """Values of any number of bits, one after the other in each row, the highest bit first."""
    size = 8 if bits <= 8 else 16
    pieces = []
    step = max(1, AT_ONCE // columns)
    for top in range(0, len(packed), step):
        ones = np.unpackbits(packed[top : top + step], axis=1, count=columns * bits)
        wide = np.zeros((ones.size // bits, size), np.uint8)
        wide[:, size - bits :] = ones.reshape(-1, bits)
        pieces.append(np.packbits(wide).view(f">u{size // 8}").astype(f"u{size // 8}"))
    return np.concatenate(pieces)


def _of_float_differences(packed: Pixels, stored: Stored, shape: tuple[int, int, int]) -> Pixels:
    """Predictor 3: differences of bytes, the highest bytes of a row first, then the next."""
    if stored.kind != "float":
        raise Unusable("a damaged TIFF: a predictor of floats for whole numbers")
    rows, columns, channels = shape
    size = stored.bits // 8
    added = np.cumsum(packed.reshape(rows, -1, channels), 1, np.uint8)
    planes = added.reshape(rows, size, columns * channels)
    return np.ascontiguousarray(planes.swapaxes(1, 2)).view(f">f{size}").reshape(shape)
