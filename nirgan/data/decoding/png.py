"""PNG (ISO/IEC 15948): every depth and color type, transparency, and EXIF's orientation.

libpng makes the pixels, by way of imagecodecs. It looks at no checksum behind the last row, and at
no end of the file, so chunks are walked here, for what stands beside the pixels too.
"""

import logging
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import imagecodecs
import numpy as np

from nirgan.data.decoding.metadata import MAX_ICC_BYTES, MAX_XMP_BYTES, dpi, metadata
from nirgan.data.decoding.picture import DecodedImage, DecodeError, Metadata, SizeLimit

logging.getLogger("imagecodecs").setLevel(logging.CRITICAL)  # libpng's warnings

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP = b"XML:com.adobe.xmp"


def decode(data: bytes, size_limit: SizeLimit, bands: Sequence[int] = ()) -> DecodedImage:
    """Decode a PNG, see `decode.decode`.

    Raises:
        DecodeError: It is damaged, too large, or an animation.
    """
    beside: dict[bytes, bytes] = {}
    for kind, body in _chunks(data):
        if not beside:
            if kind != b"IHDR" or len(body) != 13:
                raise DecodeError("a damaged PNG: it does not begin with a header")
            size_limit.check(*struct.unpack_from(">2I", body))
        beside[bytes(body[: len(XMP)]) if kind == b"iTXt" else kind] = body
    frames = int.from_bytes(beside.get(b"acTL", b"")[:4], "big")
    if frames > 1:
        raise DecodeError(f"an animation of {frames} frames, expected one picture")
    try:
        pixels = imagecodecs.png_decode(data)
    except (RuntimeError, ValueError) as error:
        # Without libpng's message, which may be in freed memory.
        raise DecodeError("a damaged PNG: its parts do not fit together") from error
    alpha = None
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        alpha = np.ascontiguousarray(pixels[..., -1])
        pixels = np.ascontiguousarray(pixels[..., 0 if pixels.shape[2] == 2 else slice(3)])
    return DecodedImage(pixels, alpha, metadata=_metadata(beside)).channels(bands)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of all chunks, without that of the pixels; their checksums are right."""
    place, kind, view = len(SIGNATURE), b"", memoryview(data)
    while kind != b"IEND":
        length, kind = struct.unpack(">I4s", data[place : place + 8].ljust(8, b"\0"))
        end = place + 12 + length
        if end > len(data):
            raise DecodeError(f"a PNG that is cut off after {len(data)} bytes")
        if zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            name = kind.decode("latin-1")
            raise DecodeError(f"a damaged PNG: the checksum of its {name!a} chunk is wrong")
        yield kind, b"" if kind == b"IDAT" else data[place + 8 : end - 4]
        place = end


def _metadata(beside: dict[bytes, bytes]) -> Metadata:
    info = metadata(beside.get(b"eXIf", b"").removeprefix(b"Exif\0\0"))
    try:
        if (size := beside.get(b"pHYs")) is not None:
            across, down, unit = struct.unpack(">IIB", size)
            info = replace(info, dpi=dpi(across, down, 0.0254 if unit == 1 else None))
        if b"iCCP" in beside:
            packed = beside[b"iCCP"].partition(b"\0")[2][1:]
            info = replace(info, icc=zlib.decompressobj().decompress(packed, MAX_ICC_BYTES))
        if XMP in beside:
            text = beside[XMP][20:].split(b"\0", 2)[-1]  # behind language and translated keyword
            plain = beside[XMP][18:19] == b"\0"
            xmp = text if plain else zlib.decompressobj().decompress(text, MAX_XMP_BYTES)
            info = replace(info, xmp=xmp[:MAX_XMP_BYTES])
    except (struct.error, zlib.error):
        pass
    return info
