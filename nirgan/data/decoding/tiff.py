"""TIFF 6.0 and BigTIFF: every depth that cameras write, in strips or tiles.

Read here, because no library at hand reads 16-bit colours and refuses a damaged file too.
"""

from collections.abc import Sequence

import numpy as np

from nirgan.data.decoding.ifd import Directory, directory
from nirgan.data.decoding.picture import Decoded, Pixels, Room, Unusable
from nirgan.data.decoding.tiff_blocks import read_blocks
from nirgan.data.decoding.tiff_layout import Layout, Stored

WIDTH, HEIGHT, BITS, PHOTOMETRIC = 256, 257, 258, 262
STRIPS, ORIENTATION, SAMPLES, STRIP_ROWS, STRIP_BYTES = 273, 274, 277, 278, 279
PLANES, COLOURS, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_BYTES = 284, 320, 322, 323, 324, 325
KIND, COMPRESSION, FILL_ORDER, PREDICTOR, INNER, EXTRA = 254, 259, 266, 317, 330, 338
SAMPLE_FORMAT = 339
RAW_CAMERA = 50706

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE = 0, 1, 2, 3
REFUSED = {
    4: "a mask",
    5: "inks (CMYK)",
    6: "brightness and chroma (YCbCr)",
    8: "CIELAB",
    32803: "the filters of a raw camera file",
    34892: "a raw camera file",
}
MOST_COPIES = 100
"""Smaller copies and masks beside a picture."""


def decode(data: bytes, room: Room) -> Decoded:
    """Decode a TIFF of one page.

    Raises:
        Unusable: It is damaged, too large, of several pages, or of values that are not read.
    """
    page = directory(data)
    _refuse_pages(data, page)
    layout = _layout(page, room)
    blocks = _offsets(page, layout)
    return _parted(read_blocks(data, layout, *blocks), page, layout).turned(
        _value(page, ORIENTATION, 1)
    )


def _value(page: Directory, tag: int, default: int | None = None) -> int:
    if tag in page.tags:
        return page.tags[tag].one()
    if default is None:
        raise Unusable(f"a damaged TIFF: tag {tag} is missing")
    return default


def _refuse_pages(data: bytes, page: Directory) -> None:
    begins_small = _value(page, KIND, 0) & 1 and (page.next or INNER in page.tags)
    if begins_small or RAW_CAMERA in page.tags or data[8:10] == b"CR":
        raise Unusable("a raw camera file, as it seems; develop it into a TIFF or PNG")
    for _ in range(MOST_COPIES):
        if not page.next:
            return
        page = directory(data, page.next)
        if not _value(page, KIND, 0) & 0b101:  # neither a smaller copy nor a mask
            raise Unusable("a TIFF of several pages, expected one picture")
    raise Unusable("a damaged TIFF: its directories form a loop, or are without end")


def _layout(page: Directory, room: Room) -> Layout:
    width, height = _value(page, WIDTH), _value(page, HEIGHT)
    room.check(width, height)
    samples = _value(page, SAMPLES, 1)
    if not 1 <= samples <= 4:
        raise Unusable(f"{samples} channels, expected 1 or 3, and alpha at most")
    stored = _stored(page)
    tiled = TILES in page.tags
    block = (width, min(_value(page, STRIP_ROWS, height), height))
    if tiled:
        block = (_value(page, TILE_WIDTH), _value(page, TILE_HEIGHT))
    room.check(*block, "a strip or tile")
    layout = Layout(
        width=width,
        height=height,
        samples=samples,
        stored=stored,
        planes=_value(page, PLANES, 1) == 2 and samples > 1,
        block_width=block[0],
        block_height=block[1],
        tiled=tiled,
        compression=_value(page, COMPRESSION, 1),
        predictor=_value(page, PREDICTOR, 1),
    )
    # Tiles reach beyond the picture, but a few pixels in many huge ones are there to fill a memory.
    Room(2 * room.megapixels, room.advice).check(*layout.padded, "tiles")
    return layout


def _stored(page: Directory) -> Stored:
    bits = set(page.tags[BITS].all().tolist()) if BITS in page.tags else {1}
    kinds = set(page.tags[SAMPLE_FORMAT].all().tolist()) if SAMPLE_FORMAT in page.tags else {1}
    if len(bits) != 1 or len(kinds) != 1:
        raise Unusable("channels of different types, expected equal ones")
    stored = Stored(bits.pop(), {2: "int", 3: "float"}.get(kind := kinds.pop(), "uint"), page.order)
    if kind > 4 or not stored.readable:
        raise Unusable(
            f"values of type {stored.name if kind <= 4 else 'complex'}, expected uint8, uint16 "
            "or float"
        )
    if _value(page, FILL_ORDER, 1) != 1:
        raise Unusable("bits in reverse order, which are not read; save it anew")
    return stored


def _offsets(page: Directory, layout: Layout) -> tuple[Sequence[int], Sequence[int]]:
    """Where each block begins, and how many bytes it has."""
    places_tag, sizes_tag = (TILES, TILE_BYTES) if layout.tiled else (STRIPS, STRIP_BYTES)
    if places_tag not in page.tags:
        raise Unusable(f"a damaged TIFF: tag {places_tag} is missing")
    places: list[int] = page.tags[places_tag].all().tolist()
    if sizes_tag in page.tags:
        sizes: list[int] = page.tags[sizes_tag].all().tolist()
    else:  # old writers leave it out
        sizes = [layout.block_bytes] * len(places)
    if min(len(places), len(sizes)) < layout.blocks:
        raise Unusable(
            f"a damaged TIFF: {min(len(places), len(sizes))} strips or tiles, "
            f"expected {layout.blocks}"
        )
    return places, sizes


def _parted(pixels: Pixels, page: Directory, layout: Layout) -> Decoded:
    """Colours and transparency, black as zero.

    Args:
        pixels: H x W x C.
        page: Says what they mean.
        layout: How they were stored.
    """
    meaning = _value(page, PHOTOMETRIC, RGB if layout.samples > 2 else BLACK_IS_ZERO)
    if meaning in REFUSED or meaning > PALETTE:
        raise Unusable(
            f"pixels that are {REFUSED.get(meaning, f'of kind {meaning}')}, expected grey or "
            "red, green, blue"
        )
    extra = page.tags[EXTRA].all().tolist() if EXTRA in page.tags else []
    alpha = None
    if extra and extra[-1] in (1, 2) and layout.samples in (2, 4):
        pixels, alpha = pixels[..., :-1], np.ascontiguousarray(pixels[..., -1])
    if pixels.shape[2] not in (1, 3) or (meaning == PALETTE and pixels.shape[2] > 1):
        raise Unusable(f"{pixels.shape[2]} channels, expected 1 or 3, and alpha at most")
    if meaning == PALETTE:
        return Decoded(_of_palette(pixels[..., 0], page, layout), alpha)
    if layout.stored.kind == "uint" and layout.stored.bits < 8:
        pixels = pixels * np.uint8(255 // (2**layout.stored.bits - 1))
    if meaning == WHITE_IS_ZERO:
        if layout.stored.kind == "float":
            raise Unusable("floats in which white is zero; save it with black as zero")
        pixels = (2 ** max(layout.stored.bits, 8) - 1) - pixels
    if pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    return Decoded(np.ascontiguousarray(pixels), alpha)


def _of_palette(numbers: Pixels, page: Directory, layout: Layout) -> Pixels:
    bits = layout.stored.bits
    if bits > 8 or layout.stored.kind != "uint" or COLOURS not in page.tags:
        raise Unusable("a damaged TIFF: a palette that is missing, or of more than 256 colours")
    colours = page.tags[COLOURS].all()
    if colours.size != 3 * 2**bits:
        raise Unusable(f"a damaged TIFF: its palette has {colours.size} values")
    return (colours.reshape(3, -1).T >> 8).astype(np.uint8)[numbers]
