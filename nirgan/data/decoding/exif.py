"""Which way up a camera was held."""

from nirgan.data.decoding.ifd import directory
from nirgan.data.decoding.picture import DecodeError

ORIENTATION = 274


def orientation(exif: bytes) -> int:
    """EXIF's orientation, 1 to 8; 1, upright, where none is given or the EXIF is damaged.

    Args:
        exif: It begins as a TIFF file does.
    """
    try:
        values = directory(exif).tags.get(ORIENTATION)
        return values.one() if values else 1
    except DecodeError:  # the picture is not the worse for it
        return 1
