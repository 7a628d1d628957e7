"""Decodes untrusted picture files.

A file's first bytes tell its format, not its name. Libraries decode the pixels, after checks that
they do not make: how large a picture is, and whether the file is complete.
"""

import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from nirgan.data.decoding import jpeg, png, tiff
from nirgan.data.decoding.picture import DecodedImage, DecodeError, SizeLimit
from nirgan.errors import NirganError

DECODERS: dict[bytes, Callable[[bytes, SizeLimit, Sequence[int]], DecodedImage]] = {
    png.SIGNATURE: png.decode,
    b"\xff\xd8\xff": jpeg.decode,
    b"II\x2a\x00": tiff.decode,
    b"MM\x00\x2a": tiff.decode,
    b"II\x2b\x00": tiff.decode,
    b"MM\x00\x2b": tiff.decode,
}
OTHER_FORMATS = {
    b"GIF8": "a GIF picture",
    b"RIFF": "a WebP, AVI or other RIFF file",
    b"BM": "a BMP picture",
    b"\x00\x00\x00\x0cjP": "a JPEG 2000 picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
    b"\xff\x0a": "a JPEG XL picture",
    b"\x00\x00\x00\x0cJXL": "a JPEG XL picture",
    b"8BPS": "a Photoshop file",
    b"v/1\x01": "an OpenEXR picture",
    b"#?RADIANCE": "a Radiance picture",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
}


def decode(path: Path, size_limit: SizeLimit, bands: Sequence[int] = ()) -> DecodedImage:
    """Decode a picture, upright.

    Args:
        path: A PNG, JPEG or TIFF file.
        size_limit: How large it may be.
        bands: The channels that are wanted, from 1 on; none: all, which are a picture.

    Raises:
        NirganError: It is missing, damaged, too large, or of a kind that is not read.
    """
    try:
        data = _read(path, size_limit)
        decoder = next((d for start, d in DECODERS.items() if data.startswith(start)), None)
        if decoder is None:
            raise DecodeError(f"{_guess(data)}, expected PNG, JPEG or TIFF")
        return decoder(data, size_limit, bands).upright()
    except DecodeError as error:
        raise NirganError(f"{path}: {error}") from error
    except MemoryError as error:
        raise NirganError(f"{path}: too large for the memory of this machine") from error


def _read(path: Path, size_limit: SizeLimit) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise DecodeError("a folder, expected a picture")
        if not stat.S_ISREG(mode):  # reading a pipe would wait for somebody to write into it
            raise DecodeError("a pipe or a device, expected a file")
        with path.open("rb") as file:
            head = file.read(64)
            if not head.startswith(tuple(DECODERS)):
                return head
            size = path.stat().st_size
            # Four channels of 32 bits, and 64 MiB beside them.
            if size > size_limit.megapixels * 1e6 * 16 + 2**26:
                raise DecodeError(
                    f"{size / 1e6:.0f} MB, more than {size_limit.megapixels:g} megapixels take; "
                    f"{size_limit.advice}"
                )
            file.seek(0)
            return file.read(size)
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        why = getattr(error, "strerror", None) or error
        raise DecodeError(f"cannot be read ({why})") from error


def _guess(data: bytes) -> str:
    """What a file that is no picture may be."""
    if not data:
        return "an empty file"
    for start, name in OTHER_FORMATS.items():
        if data.startswith(start):
            return name
    if data[4:8] == b"ftyp":
        return "a video, or a HEIF or AVIF picture"
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if all(32 <= byte < 127 or byte in b"\t\n\r\f" for byte in text):
        return "an HTML or XML page" if text.startswith(b"<") else "a text"
    return "not a picture that is known here"
