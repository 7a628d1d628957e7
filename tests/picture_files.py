"""Small files in memory, sound ones and others, for the tests of what reads them."""

import signal
import struct
import zlib
from contextlib import contextmanager
from io import BytesIO

import cv2
import numpy as np
import tifffile
from PIL import Image

from nirgan.inference.conversions import to_levels
from nirgan.inference.images import files

SIGNATURE = b"\x89PNG\r\n\x1a\n"

BAND = (np.arange(9 * 12, dtype=np.uint8).reshape(9, 12) * 7) % 251
WIDE = BAND.astype(np.uint16) * 250 + 3
UNIT = (BAND / 255).astype(np.float32)
ALPHA = BAND[::-1] // 2 + 90
COLOR = np.dstack([BAND, BAND[::-1], BAND // 2])
ORIENTATION = 274
SECONDS = 20
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def write(target, rgb, *, depth, title, alpha=None, **options):
    """Write 3 x H x W in [0, 1]."""
    pixels = files.empty_picture(*rgb.shape[1:], depth, alpha)
    pixels[..., :3] = to_levels(rgb, depth)
    files.write(target, pixels, title, **options)


def turned(pixels, orientation):
    """As Pillow turns a picture of an EXIF orientation."""
    image = Image.fromarray(pixels)
    return np.asarray(image.transpose(TURNS[orientation]) if orientation in TURNS else image)


def opened(data):
    """As Pillow reads it."""
    return np.asarray(Image.open(BytesIO(data)))


def saved(picture, form, **options):
    """By Pillow, of an array or an image."""
    file = BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(file, form, **options)
    return file.getvalue()


def by_tifffile(pixels, **options):
    file = BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def by_opencv(pixels, suffix=".png"):
    return cv2.imencode(suffix, pixels)[1].tobytes()


def directory(tags, place):
    """A little-endian TIFF directory of whole numbers and texts, the last of its file."""
    entries, beyond = b"", b""
    after = place + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        value = values.encode() if isinstance(values, str) else values
        kind = 2 if isinstance(values, str) else 4 if max(value) > 65535 else 3
        raw = struct.pack(f"<{len(value)}{'BHI'[kind - 2]}", *value)
        if len(raw) > 4:
            beyond, raw = beyond + raw, struct.pack("<I", after + len(beyond))
        entries += struct.pack("<HHI", tag, kind, len(value)) + raw.ljust(4, b"\0")
    return struct.pack("<H", len(tags)) + entries + bytes(4) + beyond


def chunk(kind, body):
    """A chunk of a PNG."""
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def exif(orientation):
    """EXIF that says nothing else, as PNG has it."""
    return b"II*\0\x08\0\0\0" + directory({ORIENTATION: [orientation]}, 8)


def png(size, depth, color, rows, *, before=(), interlace=0, packed=None):
    """A PNG.

    Args:
        size: Width and height that the header says.
        depth: Bits that it says.
        color: Type of color that it says.
        rows: Bytes, with the numbers of their filters.
        before: Chunks before the rows.
        interlace: 1 if so.
        packed: The rows compressed, where zlib's are not wanted.
    """
    header = struct.pack(">2I5B", *size, depth, color, 0, 0, interlace)
    packed = zlib.compress(rows) if packed is None else packed
    chunks = [(b"IHDR", header), *before, (b"IDAT", packed), (b"IEND", b"")]
    return SIGNATURE + b"".join(chunk(kind, body) for kind, body in chunks)


def rows_of(pixels):
    """Rows of a PNG without a filter."""
    big = pixels.astype(pixels.dtype.newbyteorder(">"))
    return b"".join(b"\0" + row.tobytes() for row in big)


def tiff(tags, data=None, *, loop=False):
    """A TIFF of one strip.

    Args:
        tags: That differ from those of `BAND`; None: no such tag.
        data: Of the strip.
        loop: Whether the page names itself as the next one.
    """
    data = BAND.tobytes() if data is None else data
    odd = len(data) % 2
    place = 8 + len(data) + odd
    usual = {256: 12, 257: 9, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 9, 279: len(data)}
    merged = {tag: [value] for tag, value in usual.items()} | tags
    kept = {tag: value for tag, value in merged.items() if value is not None}
    page = bytearray(directory(kept, place))
    if loop:
        struct.pack_into("<I", page, 2 + 12 * len(kept), place)
    return struct.pack("<2sHI", b"II", 42, place) + data + bytes(odd) + page


def packed_bits(values, bits):
    """Rows of whole bytes of values that are not, the highest bit first."""
    ones = (values[..., None].astype(np.uint16) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(ones.reshape(len(values), -1).astype(np.uint8), axis=1).tobytes()


def changed(data, place, new):
    """The same bytes with others at a place."""
    return data[:place] + new + data[place + len(new) :]


@contextmanager
def in_time():
    """Interrupts what takes too long."""

    def late(*_):
        raise TimeoutError(f"took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
