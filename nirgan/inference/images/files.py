"""Reads near-infrared picture files, and writes color ones labeled as synthetic."""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nirgan.data.channels import cast_remark
from nirgan.data.decoding.decode import decode
from nirgan.data.decoding.metadata import ICC, XMP
from nirgan.data.decoding.picture import Metadata, SizeLimit
from nirgan.data.images import Pixels, one_band
from nirgan.errors import NirganError
from nirgan.inference.conversions import to_depth
from nirgan.inference.images.metadata import DESCRIPTION, description, exif, profile_of, xmp
from nirgan.inference.nodata_fill import fill_transparent
from nirgan.utils.atomic_write import atomic_write

PNG, JPEG, TIFF = (".png",), (".jpg", ".jpeg"), (".tif", ".tiff")
PICTURES = (*PNG, *JPEG, *TIFF)
OTHER_FILES = {
    ".m4v": "a video, no picture; renamed to .mp4 it is one that `python -m nirgan colorize` takes",
    ".pt2": "a program of torch.export, no picture; --model takes the model that it was made of",
}
"""Error messages for files that cannot be read, by suffix."""
NO_METADATA = Metadata()
JPEG_QUALITY = 95
JPEG_MAX_SIDE_PX = 65_500
"""Pixels; the most that the encoder takes."""

PNG_HEADER_BYTES = 33
"""Length of a PNG's signature and header."""

STRIP_BYTES = 2**20
"""Bytes of a strip of a TIFF, about."""


@dataclass(frozen=True)
class NirPicture:
    """A near-infrared picture.

    Attributes:
        band: H x W as the camera wrote it; integers of any type, or finite float32 of any range.
            Where the picture is wholly transparent, what lies around.
        alpha: H x W of the same type; None where the file has none.
        remark: What its owner should know of how the band was found, if anything.
        metadata: What else its file says.
    """

    band: Pixels
    alpha: Pixels | None = None
    remark: str = ""
    metadata: Metadata = NO_METADATA


def read(path: Path, max_megapixels: float = 100.0, band: int | None = None) -> NirPicture:
    """Read a PNG, JPEG or TIFF, upright as its camera was held.

    Its name may end in anything. A picture of more megapixels is refused before it is decoded.
    `band` is the channel that is near-infrared, or the page of a TIFF, from 1 on, whatever it is
    meant for; alpha is the last. None: there is one, or all hold it, see `nirgan.data.channels`.

    Raises:
        NirganError: It is missing, damaged, too large, or not a near-infrared picture.
    """
    size_limit = SizeLimit(
        max_megapixels, "--largest allows more", "--band N chooses the near-infrared one"
    )
    try:
        decoded = decode(path, size_limit, () if band is None else [band])
    except NirganError as error:
        if (what := OTHER_FILES.get(path.suffix.lower())) and path.is_file():
            raise NirganError(f"{path}: {what}") from error
        raise
    pixels, levels = one_band(decoded.pixels, path)
    if pixels.dtype == np.float32 and not (finite := np.isfinite(pixels)).all():
        raise NirganError(
            f"{path}: {finite.size - int(finite.sum())} of {finite.size} values "
            "are not finite (nan or inf); replace them"
        )
    band_seen = fill_transparent(pixels, decoded.alpha)
    return NirPicture(band_seen, decoded.alpha, cast_remark(levels), decoded.metadata)


def check_target(target: Path, shape: tuple[int, ...], depth: int) -> None:
    """Raise a `NirganError` for what cannot be written, before any work is done.

    The shape is H x W x channels, with alpha, if there is to be one; the depth bits a channel.
    """
    suffix = target.suffix.lower()
    if suffix not in PICTURES:
        raise NirganError(
            f"{target}: cannot write {suffix or 'a file without a suffix'}, "
            f"expected {', '.join(PICTURES)}"
        )
    if suffix in JPEG and (depth != 8 or shape[2] > 3):
        what = "16 bits" if depth != 8 else "an alpha channel"
        raise NirganError(f"{target}: a JPEG cannot hold {what}; write PNG or TIFF (--format png)")
    if suffix in JPEG and max(shape) > JPEG_MAX_SIDE_PX:
        raise NirganError(
            f"{target}: a JPEG cannot be longer than {JPEG_MAX_SIDE_PX} "
            "pixels; write PNG or TIFF (--format png)"
        )
    if suffix in TIFF and prod(shape) * depth // 8 > 2**32 - 2**24:
        raise NirganError(f"{target}: a TIFF holds less than 4 GB; write PNG")


def empty_picture(height: int, width: int, depth: int, alpha: Pixels | None) -> Pixels:
    """An array for a picture's colors, H x W x 3 or 4, of unsigned integers of 8 or 16 bits.

    Its alpha, H x W of integers of any type or float in [0, 1], is there already.
    """
    levels = np.empty((height, width, 3 if alpha is None else 4), f"uint{depth}")
    if alpha is not None and alpha.dtype != levels.dtype:
        most = 1 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max
        alpha = to_depth(alpha.astype(np.float32) / np.float32(most), depth)
    if alpha is not None:
        levels[..., 3] = alpha
    return levels


def write(target: Path, pixels: Pixels, title: str, metadata: Metadata = NO_METADATA) -> None:
    """Write a picture, whole or not at all.

    The target's suffix says the format, see `check_target`; its folder is made if need be. Pixels
    are an `empty_picture` that was filled, the title a `Colorizer`'s. The camera's metadata are
    kept beside what says that the colors are synthetic.

    Raises:
        NirganError: It cannot be written.
    """
    check_target(target, pixels.shape, 8 * pixels.itemsize)
    suffix = target.suffix.lower()
    if suffix in TIFF:
        _write_tiff(target, pixels, title, description(title), metadata)
    elif suffix in PNG:
        # As fast as OpenCV: the Sub filter and zlib's run-length strategy.
        data = memoryview(imagecodecs.png_encode(pixels, level=1, strategy=3, filter=16))
        chunks = _png_chunks(pixels, title, metadata)
        _write(target, (data[:PNG_HEADER_BYTES], chunks, data[PNG_HEADER_BYTES:]))
    else:
        packet = xmp(title, metadata.xmp)
        options = _pillow_options(pixels, title, metadata)
        options["exif"] = b"Exif\0\0" + options["exif"]
        with atomic_write(target) as part, part.open("wb") as file:
            Image.fromarray(pixels).save(file, "JPEG", quality=JPEG_QUALITY, xmp=packet, **options)


def _pillow_options(pixels: Pixels, title: str, metadata: Metadata) -> dict[str, Any]:
    """Metadata as Pillow's arguments for saving PNGs and JPEGs."""
    size = pixels.shape[1], pixels.shape[0]
    options = {"exif": exif(title, metadata, size), "icc_profile": profile_of(metadata)}
    return {**options, "dpi": metadata.dpi} if metadata.dpi else options


def _png_chunks(pixels: Pixels, title: str, metadata: Metadata) -> bytes:
    """The metadata chunks of a PNG, taken from a PNG of one pixel that Pillow writes.

    Pillow writes all metadata, but no color of 16 bits.
    """
    texts = PngInfo()
    texts.add_itxt("Description", description(title))
    texts.add_itxt("Software", title)
    texts.add_itxt("XML:com.adobe.xmp", xmp(title, metadata.xmp).decode())
    file = BytesIO()
    options = _pillow_options(pixels, title, metadata)
    Image.new("RGB", (1, 1)).save(file, "PNG", pnginfo=texts, **options)
    return file.getvalue()[PNG_HEADER_BYTES : file.getvalue().rindex(b"IDAT") - 4]


def write_degrees(target: Path, degrees: Pixels, title: str) -> None:
    """Write a map of uncertainty, H x W of float32, into a TIFF of one band, see `write`."""
    check_target(target, (*degrees.shape, 1), 32)
    text = f"Expected angular error of the colors, in degrees. {description(title)}"
    _write_tiff(target, degrees[..., None], title, text)


def _write_tiff(
    target: Path, pixels: Pixels, title: str, text: str, metadata: Metadata = NO_METADATA
) -> None:
    """Write H x W x 1, 3 or 4 as an uncompressed TIFF in strips; `text` is its description."""
    height, width, channels = pixels.shape
    row = pixels.nbytes // height
    rows = max(1, STRIP_BYTES // row)
    tops = range(0, height, rows)
    tags: dict[int, Any] = {
        256: width,
        257: height,
        258: (pixels.itemsize * 8,) * channels,
        259: 1,  # no compression
        262: 2 if channels >= 3 else 1,  # red, green, blue; or grey, black as zero
        DESCRIPTION: text.encode(),
        273: tuple(top * row for top in tops),
        277: channels,
        278: rows,
        279: tuple(min(rows, height - top) * row for top in tops),
        339: (3 if pixels.dtype.kind == "f" else 1,) * channels,
        XMP: xmp(title, metadata.xmp),
    }
    if profile := profile_of(metadata):
        tags[ICC] = profile
    if channels == 4:
        tags[338] = 2  # unassociated alpha
    head = exif(title, metadata, (width, height), tags)
    _write(target, (head, pixels.data))


def _write(target: Path, pieces: Iterable[bytes | memoryview]) -> None:
    with atomic_write(target) as part, part.open("wb") as file:
        for piece in pieces:
            file.write(piece)
