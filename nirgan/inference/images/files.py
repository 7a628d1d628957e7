"""One picture from a file, and one into a file that says that its colors are synthetic."""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from nirgan.data.channels import cast_remark
from nirgan.data.decoding.decode import decode
from nirgan.data.decoding.picture import Metadata, SizeLimit, Tag
from nirgan.data.decoding.png import SIGNATURE, chunk
from nirgan.data.images import Pixels, one_band
from nirgan.errors import NirganError, printable_path
from nirgan.inference.images.metadata import (
    DESCRIPTION,
    ICC,
    XMP,
    MetadataValue,
    description,
    jpeg_start,
    png_chunks,
    profile_of,
    tags_of,
    xmp,
)
from nirgan.utils.atomic_write import atomic_write

PNG, JPEG, TIFF = (".png",), (".jpg", ".jpeg"), (".tif", ".tiff")
PICTURES = (*PNG, *JPEG, *TIFF)
NO_METADATA = Metadata()
JPEG_QUALITY = 95
JPEG_MAX_SIDE_PX = 65_500
"""Pixels; the most that the encoder takes."""

STRIP_BYTES = 2**20
"""Bytes of a strip of a TIFF, about, and of the rows of a PNG that are compressed at once."""


@dataclass(frozen=True)
class NirPicture:
    """A near-infrared picture.

    Attributes:
        band: H x W as the camera wrote it; integers of any type, or finite float32 of any range.
        alpha: H x W of the same type; None where the file has none.
        turned: Whether the camera was not held upright, so that the file's rows are others.
        remark: What its owner should know of how the band was found, if anything.
        metadata: What else its file says.
    """

    band: Pixels
    alpha: Pixels | None = None
    turned: bool = False
    remark: str = ""
    metadata: Metadata = NO_METADATA


def read(path: Path, largest: float = 100.0, band: int | None = None) -> NirPicture:
    """Read a PNG, JPEG or TIFF, upright as its camera was held.

    Args:
        path: The file; its name may end in anything.
        largest: Megapixels; a larger picture is refused before it is decoded.
        band: The channel that is near-infrared, or the page of a TIFF, from 1 on, whatever it is
            meant for; alpha is the last. None: there is one, or all hold it, see
            `nirgan.data.channels`.

    Raises:
        NirganError: It is missing, damaged, too large, or not a near-infrared picture.
    """
    size_limit = SizeLimit(
        largest, "--largest allows more", "--band N chooses the near-infrared one"
    )
    decoded = decode(path, size_limit, band)
    pixels, levels = one_band(decoded.pixels, path)
    if pixels.dtype == np.float32 and not (finite := np.isfinite(pixels)).all():
        raise NirganError(
            f"{printable_path(path)}: {finite.size - int(finite.sum())} of {finite.size} values are not "
            "finite (nan or inf); replace them"
        )
    turned = decoded.turned_by != 1
    return NirPicture(pixels, decoded.alpha, turned, cast_remark(levels), decoded.metadata)


def check_target(target: Path, depth: int, alpha: Pixels | None) -> None:
    """Refuse what `write` cannot write, before any work is done.

    Raises:
        NirganError: JPEG has 8 bits and no alpha; other suffixes are not known.
    """
    suffix = target.suffix.lower()
    if suffix not in PNG + JPEG + TIFF:
        raise NirganError(
            f"{printable_path(target)}: cannot write {suffix or 'a file without a suffix'}, expected "
            f"{', '.join(PNG + JPEG + TIFF)}"
        )
    if suffix in JPEG and (depth != 8 or alpha is not None):
        what = "16 bits" if depth != 8 else "an alpha channel"
        raise NirganError(
            f"{printable_path(target)}: a JPEG cannot hold {what}; write PNG or TIFF (--format png)"
        )


def empty_picture(height: int, width: int, depth: int, alpha: Pixels | None) -> Pixels:
    """What a picture's colors are put into, its alpha there already.

    Args:
        height: Of the picture.
        width: Likewise.
        depth: Bits a channel, 8 or 16.
        alpha: H x W; integers of any type, or float in [0, 1].

    Returns:
        H x W x 3 or 4, uint8 or uint16.
    """
    levels = np.empty((height, width, 3 if alpha is None else 4), f"uint{depth}")
    if alpha is not None:
        levels[..., 3] = alpha if alpha.dtype == levels.dtype else _to_depth(_unit(alpha), depth)
    return levels


def to_levels(rgb: Tensor, depth: int) -> Pixels:
    """3 x H x W in [0, 1], clipped, to H x W x 3 of all that a type of 8 or 16 bits holds."""
    return cv2.merge([_to_depth(plane, depth) for plane in rgb.detach().cpu().float().numpy()])


def write(
    target: Path,
    rgb: Tensor | Pixels,
    *,
    depth: int,
    title: str,
    alpha: Pixels | None = None,
    metadata: Metadata = NO_METADATA,
) -> None:
    """Write a picture, whole or not at all.

    Args:
        target: Its suffix says the format, see `check_target`; its folder is made if need be.
        rgb: 3 x H x W in [0, 1]; values outside are clipped. Or what was put into a `empty_picture`.
        depth: Bits a channel, 8 or 16.
        title: The model that made the colors, `Colorizer.title`.
        alpha: H x W, see `empty_picture`, which may hold it already.
        metadata: The camera's, which is kept beside what says that the colors are synthetic.

    Raises:
        NirganError: It cannot be written.
    """
    if isinstance(rgb, Tensor):
        check_target(target, depth, alpha)
        pixels = empty_picture(rgb.shape[1], rgb.shape[2], depth, alpha)
        pixels[..., :3] = to_levels(rgb, depth)
    else:
        check_target(target, depth, rgb[..., 3] if rgb.shape[2] > 3 else None)
        pixels = rgb
    suffix = target.suffix.lower()
    if suffix in TIFF:
        _write_tiff(target, pixels, title, description(title), metadata)
    elif suffix in PNG:
        _write(target, _png(pixels, title, metadata))
    else:
        if max(pixels.shape) > JPEG_MAX_SIDE_PX:
            raise NirganError(
                f"{printable_path(target)}: a JPEG cannot be longer than {JPEG_MAX_SIDE_PX} pixels; write PNG or "
                "TIFF (--format png)"
            )
        bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].data
        start = 4 + int.from_bytes(data[4:6], "big")  # behind the first segment, JFIF's
        size = pixels.shape[1], pixels.shape[0]
        head = jpeg_start(bytes(data[:start]), title, metadata, size)
        _write(target, (head, data[start:]))


def _png(pixels: Pixels, title: str, metadata: Metadata) -> Iterator[bytes]:
    """A PNG, piece by piece, so that it is never in memory a second time.

    Compressed as OpenCV and libpng do it fast: differences to the pixel before, their runs.
    """
    height, width, channels = pixels.shape
    size = channels * pixels.itemsize  # of a pixel
    color = 6 if channels == 4 else 2
    header = struct.pack(">2I5B", width, height, 8 * pixels.itemsize, color, 0, 0, 0)
    yield SIGNATURE + chunk(b"IHDR", header)
    yield png_chunks(title, metadata, (width, height))
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    step = max(1, STRIP_BYTES // (width * size))
    for top in range(0, height, step):
        part = pixels[top : top + step]
        raw = np.ascontiguousarray(part, part.dtype.newbyteorder(">")).view(np.uint8)
        raw = raw.reshape(len(part), -1)
        rows = np.empty((len(part), 1 + raw.shape[1]), np.uint8)
        rows[:, 0] = 1  # the number of the filter
        rows[:, 1 : 1 + size] = raw[:, :size]
        np.subtract(raw[:, size:], raw[:, :-size], out=rows[:, 1 + size :])
        if packed := packer.compress(rows.data):
            yield chunk(b"IDAT", packed)
    yield chunk(b"IDAT", packer.flush()) + chunk(b"IEND", b"")


def write_degrees(target: Path, degrees: Pixels, title: str) -> None:
    """Write a map of uncertainty, a TIFF of one band of float32.

    Args:
        target: The file; its folder is made if need be.
        degrees: H x W of float32.
        title: The model that made the colors, `Colorizer.title`.

    Raises:
        NirganError: It cannot be written.
    """
    text = f"Expected angular error of the colors, in degrees. {description(title)}"
    _write_tiff(target, degrees[..., None], title, text)


def _to_depth(plane: Pixels, depth: int) -> Pixels:
    """[0, 1] to all that a type of 8 or 16 bits holds, rounded and clipped."""
    kind = cv2.CV_8U if depth == 8 else cv2.CV_16U
    # A third of the time that torch or numpy need.
    return cv2.addWeighted(plane, 2**depth - 1, plane, 0, 0, dtype=kind)


def _unit(alpha: Pixels) -> Pixels:
    most = 1 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max
    return alpha.astype(np.float32) / np.float32(most)


def _write_tiff(
    target: Path, pixels: Pixels, title: str, text: str, metadata: Metadata = NO_METADATA
) -> None:
    """Uncompressed, in strips.

    Args:
        target: The file.
        pixels: H x W x 1, 3 or 4.
        title: The model.
        text: What is seen.
        metadata: Of the camera.
    """
    height, width, channels = pixels.shape
    if pixels.nbytes > 2**32 - 2**24:
        raise NirganError(f"{printable_path(target)}: a TIFF holds less than 4 GB; write PNG")
    row = pixels.nbytes // height
    rows = max(1, STRIP_BYTES // row)
    tops = range(0, height, rows)
    tags: dict[int, MetadataValue] = {
        256: [width],
        257: [height],
        258: [pixels.itemsize * 8] * channels,
        259: [1],  # no compression
        262: [2 if channels >= 3 else 1],  # red, green, blue; or grey, black as zero
        DESCRIPTION: text,
        **({ICC: Tag(7, len(profile), profile)} if (profile := profile_of(metadata)) else {}),
        273: [8 + top * row for top in tops],
        277: [channels],
        278: [rows],
        279: [min(rows, height - top) * row for top in tops],
        339: [3 if pixels.dtype.kind == "f" else 1] * channels,
        XMP: xmp(title, metadata.xmp),
    }
    if channels == 4:
        tags[338] = [2]  # alpha, by which colors are not multiplied
    end = 8 + pixels.nbytes
    odd = end % 2
    directories, main = tags_of(title, metadata, (width, height), tags, end + odd)
    head = b"II*\0" + main.to_bytes(4, "little")
    if pixels.dtype.byteorder == ">":
        pixels = pixels.astype(pixels.dtype.newbyteorder("<"))
    _write(target, (head, pixels.data, bytes(odd), directories))


def _write(target: Path, pieces: Iterable[bytes | memoryview]) -> None:
    with atomic_write(target) as part, part.open("wb") as file:
        for piece in pieces:
            file.write(piece)
