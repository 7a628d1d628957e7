"""TIFF 6.0 and BigTIFF, of every type and compression that tifffile and imagecodecs expand.

tifffile fills up what is missing and only logs it, so sizes, pages and blocks are checked here, and
blocks are expanded one by one.
"""

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import cast

import numpy as np
from tifffile import TiffFile, TiffPage

from nirgan.data.decoding.metadata import metadata
from nirgan.data.decoding.picture import DecodedImage, DecodeError, Pixels, SizeLimit

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it logs is an error here

ORIENTATION, PHOTOMETRIC, SUB_IFDS, RAW_CAMERA = 274, 262, 330, 50706
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
REFUSED_PHOTOMETRICS = {
    4: "a mask",
    5: "inks (CMYK)",
    YCBCR: "brightness and chroma (YCbCr)",
    8: "CIELAB",
    32803: "the filters of a raw camera file",
    34892: "a raw camera file",
}
JPEG = 7
COMPRESSIONS = {
    **{1: "none", 2: "fax", 3: "fax", 4: "fax", 5: "LZW", JPEG: "JPEG"},
    **{8: "deflate", 32946: "deflate", 32773: "PackBits", 34887: "LERC"},
    **{34925: "LZMA", 50000: "Zstandard", 50001: "WebP"},
}
"""Compressions that GDAL writes. Others hold pictures whose size is not checked."""
MAX_PAGES = 1000


def decode(data: bytes, size_limit: SizeLimit, bands: Sequence[int] = ()) -> DecodedImage:
    """Decode a TIFF, see `decode.decode`; channels are counted through all pages.

    Raises:
        DecodeError: It is damaged, too large, of several pages or of channels that are no picture,
            and no band is chosen.
    """
    try:
        # Without tifffile's special treatment of microscopes' formats.
        with TiffFile(BytesIO(data), is_lsm=False, is_ndpi=False, is_scanimage=False) as file:
            pages = _pages(file, data)
            if not bands and len(pages) > 1:
                raise DecodeError(
                    f"a TIFF of several pages, expected one picture; {size_limit.band_advice}"
                )
            chosen = _chosen(pages, bands)
            parts = [_decoded(data, page, wanted, size_limit) for page, wanted in chosen]
            turn = chosen[0][0].tags.valueof(ORIENTATION)
        turn = turn if isinstance(turn, int) and 1 <= turn <= 8 else 1
        decoded = parts[0]
        if len(parts) > 1:
            if len(types := sorted({str(part.pixels.dtype) for part in parts})) > 1:
                raise DecodeError(
                    f"pages of different types ({', '.join(types)}), expected one; convert them"
                )
            decoded = replace(decoded, pixels=np.dstack([part.pixels for part in parts]))
        return replace(decoded, metadata=replace(metadata(data), orientation=int(turn)))
    except (DecodeError, MemoryError):
        raise
    except Exception as error:  # a damaged tag raises anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DecodeError(f"a damaged TIFF: it cannot be unpacked ({reason})") from error


def tags_of(path: Path) -> set[int]:
    """Numbers of the tags of a TIFF's first page; none if it is no TIFF, or damaged."""
    try:
        if not path.is_file():  # opening a pipe would wait for somebody to write into it
            return set()
        with TiffFile(path) as file:
            return {tag.code for tag in file.pages.first.tags}
    except Exception:  # a damaged tag raises anything
        return set()


def _pages(file: TiffFile, data: bytes) -> list[TiffPage]:
    """The pages that are pictures, and no smaller copy or mask of one."""
    pages: list[TiffPage] = []
    for page in cast(Iterable[TiffPage], file.pages):
        if len(pages) == MAX_PAGES or any(page.offset == other.offset for other in pages):
            raise DecodeError("a damaged TIFF: its directories form a loop, or are without end")
        pages.append(page)
    after = file.pages.next_page_offset or 0
    if any(data[after : after + file.tiff.offsetsize]):  # tags are missing or moved, as a rule
        raise DecodeError("a TIFF that is cut off: a directory lies beyond its end")
    first, *others = pages
    raw = first.is_reduced and (SUB_IFDS in first.tags or others)
    if raw or RAW_CAMERA in first.tags or data[8:10] == b"CR":
        raise DecodeError("a raw camera file, as it seems; develop it into a TIFF or PNG")
    return [first, *(page for page in others if not (page.is_reduced or page.is_mask))]


def _chosen(
    pages: Sequence[TiffPage], bands: Sequence[int]
) -> list[tuple[TiffPage, Sequence[int]]]:
    """The pages of the bands, and which of their channels those are, from 0 on; none: all."""
    if not bands:
        return [(pages[0], ())]
    chosen: list[tuple[TiffPage, Sequence[int]]] = []
    before = 0
    for page in pages:
        if here := [n - before - 1 for n in bands if 0 < n - before <= page.samplesperpixel]:
            chosen.append((page, here))
        before += page.samplesperpixel
    if missing := [n for n in bands if not 1 <= n <= before]:
        raise DecodeError(f"no band {missing[0]}, of the {before} that there are")
    return chosen


def _decoded(
    data: bytes, page: TiffPage, wanted: Sequence[int], size_limit: SizeLimit
) -> DecodedImage:
    samples = page.samplesperpixel
    meaning = page.tags.valueof(PHOTOMETRIC, RGB if samples > 2 else BLACK_IS_ZERO)
    if meaning == YCBCR and page.compression == JPEG:
        meaning = RGB  # as it is expanded
    if not wanted and (meaning in REFUSED_PHOTOMETRICS or meaning > PALETTE):
        raise DecodeError(
            f"pixels that are {REFUSED_PHOTOMETRICS.get(meaning, f'of kind {meaning}')}, expected "
            "grey or red, green, blue"
        )
    _check(data, page, size_limit)
    extra = page.extrasamples
    # Transparency is the last channel, as every program writes it.
    alpha = samples - 1 if extra and extra[-1] in (1, 2) and samples > 1 else None
    if wanted:
        alpha = None if alpha in wanted else alpha
        first = list(wanted)
    else:
        first = [n for n in range(samples) if n != alpha]
        if len(first) not in (1, 3):
            raise DecodeError(
                f"{samples} channels, expected 1 or 3, and alpha at most; {size_limit.band_advice}"
            )
    pixels = _read(data, page, first if alpha is None else [*first, alpha])
    opacity = None if alpha is None else np.ascontiguousarray(pixels[..., -1])
    colors = np.ascontiguousarray(pixels[..., 0 if len(first) == 1 else slice(len(first))])
    if meaning != PALETTE:
        colors = _black_as_zero(colors, page.bitspersample, meaning == WHITE_IS_ZERO)
    else:
        looked_up = _apply_palette(colors, page)
        if not wanted:
            colors = looked_up
        elif not np.ptp(looked_up, axis=-1).any():  # else the numbers, taken at their word
            colors = np.ascontiguousarray(looked_up[..., 0])
    return DecodedImage(colors, opacity)


def _check(data: bytes, page: TiffPage, size_limit: SizeLimit) -> None:
    """Refuse what is too large, damaged, or of a kind that is not read, before it is expanded."""
    width, height = page.imagewidth, page.imagelength
    if not (isinstance(width, int) and isinstance(height, int)):
        raise DecodeError("a damaged TIFF: a size that is no whole number")
    size_limit.check(width, height)
    if not isinstance(page.bitspersample, int):
        raise DecodeError("channels of different types, expected equal ones")
    # Of 24 bits, tifffile takes the bytes for big-endian ones in all files.
    whole24 = page.bitspersample == 24 and page.sampleformat != 3
    if page.dtype is None or page.dtype.kind not in "buif" or whole24:
        kind = {1: "uint", 2: "int", 3: "float"}.get(page.sampleformat, "complex")
        raise DecodeError(
            f"values of type {kind}{page.bitspersample}, expected integers or floats of 1 to 64 "
            "bits"
        )
    if page.compression not in COMPRESSIONS:
        names = ", ".join(dict.fromkeys(COMPRESSIONS.values()))
        raise DecodeError(f"a TIFF of compression {int(page.compression)}, expected {names}")
    block = (page.tilewidth, page.tilelength) if page.is_tiled else (width, page.rowsperstrip)
    size_limit.check(*block, "a strip or tile")
    # Tiles may reach beyond the picture, but not so far that they fill the memory.
    apart = page.planarconfig == 2 and page.samplesperpixel > 1
    down, across = page.chunked[apart : apart + 2]
    SizeLimit(2 * size_limit.megapixels, size_limit.advice).check(
        across * block[0], down * block[1], "tiles"
    )
    places, sizes, expected = page.dataoffsets, page.databytecounts, math.prod(page.chunked)
    if min(len(places), len(sizes)) < expected or page.imagedepth != 1:
        raise DecodeError(
            f"a damaged TIFF: {min(len(places), len(sizes))} strips or tiles, expected {expected}"
        )
    for place, size in zip(places[:expected], sizes[:expected], strict=True):
        if not size:
            raise DecodeError("a damaged TIFF: a strip or tile of 0 bytes")
        if place + size > len(data):
            raise DecodeError(f"a TIFF that is cut off after {len(data)} bytes")


def _read(data: bytes, page: TiffPage, channels: Sequence[int]) -> Pixels:
    """Some channels, H x W x C."""
    dtype = np.dtype(page.dtype)
    final = np.float32 if dtype.kind == "f" else np.uint8 if dtype.kind == "b" else dtype
    pixels = np.empty((page.imagelength, page.imagewidth, len(channels)), final)
    apart = page.planarconfig == 2 and page.samplesperpixel > 1
    count = math.prod(page.chunked)
    options = {"jpegtables": page.jpegtables} if page.compression == JPEG else {}
    for index in range(count):
        plane = index * page.samplesperpixel // count
        if apart and plane not in channels:
            continue
        place = page.dataoffsets[index]
        piece = data[place : place + page.databytecounts[index]]
        block, (_, _, top, left, _), _ = page.decode(piece, index, **options)
        assert block is not None  # of a piece that is not None
        block = block[0, : page.imagelength - top, : page.imagewidth - left]
        rows, columns = block.shape[:2]
        least = page.tilelength if page.is_tiled else page.rowsperstrip
        if rows < min(least, page.imagelength - top):
            raise DecodeError(f"a damaged TIFF: a strip or tile of {rows} rows")
        here = pixels[top : top + rows, left : left + columns]
        with np.errstate(over="ignore"):  # float64 beyond float32 is seen as infinite
            if apart:
                here[..., channels.index(plane)] = block[..., 0]
            else:
                here[...] = block[..., channels]
    return pixels


def _black_as_zero(pixels: Pixels, bits: int, white_is_zero: bool) -> Pixels:
    """Black as zero, and all of 8 bits where there are fewer."""
    if bits < 8:
        pixels = np.round(np.arange(2**bits) * (255 / (2**bits - 1))).astype(np.uint8)[pixels]
    if not white_is_zero:
        return pixels
    if pixels.dtype.kind != "u":
        raise DecodeError("signed numbers or floats in which white is zero; save it anew")
    black: Pixels = (2 ** max(bits, 8) - 1) - pixels
    return black


def _apply_palette(numbers: Pixels, page: TiffPage) -> Pixels:
    colors = page.colormap
    if colors is None or numbers.ndim > 2 or numbers.dtype != np.uint8:
        raise DecodeError("a damaged TIFF: a palette that is missing, or of more than 256 colors")
    if colors.shape != (3, 2**page.bitspersample):
        raise DecodeError(f"a damaged TIFF: its palette has {colors.size} values")
    return (colors.T >> 8).astype(np.uint8)[numbers]
