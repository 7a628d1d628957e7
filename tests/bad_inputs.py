"""Files that people and their tools do hand over, and what is to come of each.

`bad_inputs` writes them all. An outcome is either the picture, or a pattern of the one line that
says why there is none.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bad_tiffs import bad_tiffs
from picture_files import (
    ALPHA,
    BAND,
    COLOR,
    ORIENTATION,
    SIGNATURE,
    WIDE,
    by_opencv,
    by_tifffile,
    changed,
    exif,
    opened,
    packed_bits,
    png,
    rows_of,
    saved,
    tiff,
    turned,
)
from PIL import Image

from nirgan.inference.images.files import NirPicture

EXPECTED = "expected PNG, JPEG or TIFF"
DIFFER = r"3 channels that differ \(in color, .*expected one NIR band"


class Case(NamedTuple):
    """A file and what is to come of it."""

    name: str
    path: Path
    outcome: NirPicture | str


def bad_inputs(folder: Path) -> list[Case]:
    """Write all files into a folder."""
    cases = []
    for makers in (_cut, _misnamed, _channels, _pngs, _jpegs, bad_tiffs, _sizes, _named):
        for name, data, outcome in makers():
            (folder / name).write_bytes(data)
            cases.append(Case(name, folder / name, outcome))
    return [*cases, *_places(folder)]


def _cut():
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    whole = {
        ".png": saved(noise, "PNG"),
        ".jpg": saved(noise, "JPEG", quality=95),
        "progressive.jpg": saved(noise, "JPEG", progressive=True),
        ".tif": saved(noise, "TIFF"),
        "deflate.tif": saved(noise, "TIFF", compression="tiff_adobe_deflate"),
        "lzw.tif": saved(noise, "TIFF", compression="tiff_lzw"),
        "wide.png": by_opencv(np.dstack([noise.astype(np.uint16) * 257] * 3)),
    }
    for form, data in whole.items():
        for part in (0.02, 0.3, 0.6, 0.95):
            short = data[: max(9, int(len(data) * part))]
            yield f"cut at {part} {form}", short, "cut off|damaged|not a readable"
    yield "empty.png", b"", f"an empty file, {EXPECTED}"
    yield "empty.jpg", b"", "an empty file"
    yield "signature only.png", SIGNATURE, "cut off"
    yield "signature only.jpg", b"\xff\xd8\xff", "cut off"
    yield "signature only.tif", b"II*\0", "a damaged TIFF"
    yield "one byte.tif", b"I", EXPECTED


def _misnamed():
    jpeg = saved(BAND, "JPEG")
    yield "a png.jpg", saved(BAND, "PNG"), NirPicture(BAND)
    yield "a 16-bit png.jpg", by_opencv(WIDE), NirPicture(WIDE)
    yield "a png.tif", saved(BAND, "PNG"), NirPicture(BAND)
    yield "a jpeg.png", jpeg, NirPicture(opened(jpeg))
    yield "a jpeg.tif", jpeg, NirPicture(opened(jpeg))
    yield "a tiff.png", saved(BAND, "TIFF"), NirPicture(BAND)
    yield "a 16-bit tiff.jpg", by_tifffile(WIDE), NirPicture(WIDE)
    yield "no suffix", saved(BAND, "PNG"), NirPicture(BAND)
    yield "text.png", b"this is not a picture\n", f"a text, {EXPECTED}"
    page = b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>"
    yield "error page.jpg", page, f"an HTML or XML page, {EXPECTED}"
    yield "svg.png", b"\xef\xbb\xbf<?xml version='1.0'?><svg/>", "an HTML or XML page"
    yield "gif.png", saved(BAND, "GIF"), f"a GIF picture, {EXPECTED}"
    yield "bmp.png", saved(BAND, "BMP"), "a BMP picture"
    yield "webp.jpg", b"RIFF\x24\0\0\0WEBPVP8 " + bytes(24), "a WebP"
    yield "jpeg 2000.jpg", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), "a JPEG 2000 picture"
    yield "avif.jpg", b"\0\0\0\x20ftypavif" + bytes(40), "a video, or a HEIF or AVIF picture"
    yield "zip.png", b"PK\x03\x04" + bytes(60), "a ZIP archive"
    yield "zeros.png", bytes(4096), "not a picture that is known here"


def _channels():
    three, wide3 = np.dstack([BAND] * 3), np.dstack([WIDE] * 3)
    for form, suffix in (("PNG", "png"), ("TIFF", "tif")):
        yield f"three equal.{suffix}", saved(three, form), NirPicture(BAND)
        yield f"color.{suffix}", saved(COLOR, form), DIFFER
        two, four = np.dstack([BAND, ALPHA]), np.dstack([three, ALPHA])
        yield f"grey and alpha.{suffix}", saved(two, form), NirPicture(BAND, ALPHA)
        yield f"equal and alpha.{suffix}", saved(four, form), NirPicture(BAND, ALPHA)
    yield "wide equal.png", by_opencv(wide3), NirPicture(WIDE)
    yield "wide equal.tif", by_tifffile(wide3, photometric="rgb"), NirPicture(WIDE)
    one_off = changed(three.tobytes(), 50, bytes([three.flat[50] + 1]))
    data = saved(np.frombuffer(one_off, np.uint8).reshape(three.shape), "PNG")
    yield "one level off.png", data, NirPicture(BAND)
    wide_alpha = ALPHA.astype(np.uint16) * 257
    two, four = np.dstack([WIDE, wide_alpha]), np.dstack([wide3, wide_alpha])
    yield "wide and alpha.png", by_opencv(four), NirPicture(WIDE, wide_alpha)
    yield "wide grey and alpha.png", png((12, 9), 16, 4, rows_of(two)), NirPicture(WIDE, wide_alpha)
    for count, bands in ((2, two), (4, four), (5, np.dstack([four, WIDE]))):
        extra = ["unspecified"] * (count - 1)
        kind = {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": extra}
        yield f"{count} bands.tif", by_tifffile(bands, **kind), f"{count} channels"
    yield "many bands.tif", tiff({277: [65535]}), "65535 channels"
    inks = Image.fromarray(COLOR).convert("CMYK")
    yield "inks.jpg", saved(inks, "JPEG"), r"four inks \(CMYK\)"
    yield "inks.tif", saved(inks, "TIFF"), r"inks \(CMYK\)"
    yield "brightness and chroma.tif", tiff({262: [6]}), "YCbCr"
    yield "lab.tif", saved(Image.fromarray(COLOR).convert("LAB"), "TIFF"), "CIELAB"
    for form, suffix in (("PNG", "png"), ("TIFF", "tif")):
        grey = _palette([9, 9, 9, 80, 80, 80, 200, 200, 200, 255, 255, 255])
        band = np.array([9, 80, 200, 255], np.uint8)[BAND % 4]
        vivid = _palette([200, 0, 0, 0, 200, 0, 0, 0, 200, 255, 255, 0])
        yield f"grey palette.{suffix}", saved(grey, form), NirPicture(band)
        yield f"color palette.{suffix}", saved(vivid, form), DIFFER
    more = [Image.fromarray(ALPHA)]
    data = saved(BAND, "PNG", save_all=True, append_images=more)
    yield "animation.png", data, "an animation of 2 frames"
    data = saved(BAND, "TIFF", save_all=True, append_images=more)
    yield "pages.tif", data, "several pages, expected one picture"


def _palette(entries):
    image = Image.new("P", (12, 9))
    image.putdata((BAND % 4).ravel().tolist())
    image.putpalette(entries)
    return image


def _pngs():
    for bits in (1, 2, 4):
        few = BAND % 2**bits
        rows = b"".join(b"\0" + packed_bits(row[None], bits) for row in few)
        data = png((12, 9), bits, 0, rows)
        yield f"{bits} bits.png", data, NirPicture(few * (255 // (2**bits - 1)))
    yield "12 bits in 16.png", by_opencv(WIDE >> 4), NirPicture(WIDE >> 4)
    clear = np.where(BAND[2, 3] == BAND, 0, 255).astype(np.uint8)
    key = [(b"tRNS", bytes([0, BAND[2, 3]]))]
    data = png((12, 9), 8, 0, rows_of(BAND), before=key)
    yield "one grey is clear.png", data, NirPicture(BAND, clear)
    key = [(b"tRNS", struct.pack(">H", WIDE[2, 3]) * 3)]
    data = png((12, 9), 16, 2, rows_of(np.dstack([WIDE] * 3)), before=key)
    yield "one wide color is clear.png", data, NirPicture(WIDE, clear * np.uint16(257))
    key = [(b"tRNS", struct.pack(">3H", WIDE[2, 3], WIDE[2, 3], 7))]
    data = png((12, 9), 16, 2, rows_of(np.dstack([WIDE] * 3)), before=key)
    yield "a color that is not there is clear.png", data, NirPicture(WIDE, WIDE * 0 + 65535)
    rows = b"".join(b"\0" + packed_bits(row[None], 2) for row in BAND % 4)
    data = png((12, 9), 2, 0, rows, before=[(b"tRNS", b"\0\2")])
    clear = np.where(BAND % 4 == 2, 0, 255).astype(np.uint8)
    yield "one of four greys is clear.png", data, NirPicture(BAND % 4 * 85, clear)
    palette = [(b"PLTE", bytes([9] * 3 + [99] * 3 + [200] * 3 + [255] * 3)), (b"tRNS", b"\0\x80")]
    data = png((12, 9), 8, 3, rows_of(BAND % 4), before=palette)
    band = np.array([9, 99, 200, 255], np.uint8)[BAND % 4]
    alpha = np.array([0, 128, 255, 255], np.uint8)[BAND % 4]
    yield "a clear palette.png", data, NirPicture(band, alpha)
    for name, wide in (("interlaced", BAND), ("wide interlaced", np.dstack([WIDE] * 3))):
        rows = b"".join(
            rows_of(wide[top::down, left::right])
            for top, left, down, right in (
                *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
                *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
            )
        )
        depth, color = (8, 0) if wide.ndim == 2 else (16, 2)
        data = png((12, 9), depth, color, rows, interlace=1)
        yield f"{name}.png", data, NirPicture(BAND if wide.ndim == 2 else WIDE)
        short = png((12, 9), depth, color, rows[:-9], interlace=1)
        yield f"{name}, cut.png", short, "a damaged PNG"
    for orientation in range(1, 10):
        data = png((12, 9), 8, 0, rows_of(BAND), before=[(b"eXIf", exif(orientation))])
        yield f"turned {orientation}.png", data, NirPicture(turned(BAND, orientation))
    yield from _damaged_pngs()


def _damaged_pngs():
    sound = png((12, 9), 8, 0, rows_of(BAND))
    data = png((12, 9), 8, 0, rows_of(BAND), before=[(b"eXIf", exif(6)[:-4])])
    yield "exif without an end.png", data, NirPicture(turned(BAND, 6))
    data = png((12, 9), 8, 0, rows_of(BAND), before=[(b"eXIf", b"II*\0\xff\xff\xff\xff")])
    yield "damaged exif.png", data, NirPicture(BAND)
    data = png(
        (12, 9), 8, 0, rows_of(BAND), before=[(b"zTXt", b"x\0\0" + zlib.compress(bytes(9**7)))]
    )
    yield "much text.png", data, NirPicture(BAND)
    yield "something behind.png", sound + b"anything", NirPicture(BAND)
    yield "wrong checksum.png", changed(sound, 29, b"\0\0"), "checksum of its 'IHDR' chunk is wrong"
    place = sound.index(b"IDAT") + 12
    yield "one byte changed.png", changed(sound, place, b"\xaa"), "checksum of its 'IDAT'"
    data = png((12, 9), 8, 0, b"", packed=b"x\x9c" + bytes(60))
    yield "no zlib stream.png", data, "a damaged PNG"
    yield "rows missing.png", png((12, 9), 8, 0, rows_of(BAND[:4])), "a damaged PNG"
    yield (
        "more rows than it says.png",
        png((12, 3), 8, 0, rows_of(BAND) * 999),
        NirPicture(BAND[:3]),
    )
    data = png((12, 9), 8, 0, b"".join(b"\x63" + row.tobytes() for row in BAND))
    yield "unknown filter.png", data, "a damaged PNG"
    yield "no pixels.png", sound[:33] + sound[-12:], "no pixels"
    yield "no header.png", sound[:8] + sound[33:], "does not begin with a header"
    yield "no palette.png", png((12, 9), 8, 3, rows_of(BAND % 4)), "a damaged PNG"
    data = png((12, 9), 8, 3, rows_of(BAND % 4), before=[(b"PLTE", b"1234")])
    yield "odd palette.png", data, "a damaged PNG"
    data = png((12, 9), 8, 3, rows_of(BAND), before=[(b"PLTE", b"123")])
    yield "numbers beyond a palette.png", data, NirPicture(np.uint8(50) * (BAND == 0))
    data = png((12, 9), 8, 0, rows_of(BAND), before=[(b"tRNS", b"123")])
    yield "odd transparency.png", data, NirPicture(BAND)
    yield "no such depth.png", png((12, 9), 5, 0, rows_of(BAND)), "a damaged PNG"
    yield "no such colors.png", png((12, 9), 8, 5, rows_of(BAND)), "a damaged PNG"
    yield "length beyond the end.png", changed(sound, 33, b"\xff\xff"), "cut off after"


def _jpegs():
    sound = saved(BAND, "JPEG")
    yield "grey.jpg", sound, NirPicture(opened(sound))
    yield "color.jpg", saved(COLOR, "JPEG"), DIFFER
    data = saved(np.dstack([BAND] * 3), "JPEG")
    yield "three equal.jpg", data, NirPicture(opened(data)[..., 1])
    data = saved(BAND, "JPEG", progressive=True)
    yield "progressive.jpg", data, NirPicture(opened(data))
    for orientation in range(1, 10):
        camera = Image.Exif()
        camera[ORIENTATION] = orientation
        data = saved(BAND, "JPEG", exif=camera)
        yield f"turned {orientation}.jpg", data, NirPicture(turned(opened(data), orientation))
    broken = struct.pack(">HH", 0xFFE1, 20) + b"Exif\0\0II*\0\xff\xff\xff\xff\0\0\0\0"
    yield "damaged exif.jpg", sound[:2] + broken + sound[2:], NirPicture(opened(sound))
    frame = sound.index(b"\xff\xc0")
    yield "12 bits.jpg", changed(sound, frame + 4, b"\x0c"), "12-bit layers"
    yield "2 channels.jpg", changed(sound, frame + 9, b"\2"), "2-layer images"
    yield "no size.jpg", sound[:frame] + sound[frame + 13 :], "not a readable JPEG"
    yield "something behind.jpg", sound + b"anything", NirPicture(opened(sound))
    video = sound + bytes(2) + b"\xff\xda\0\2" * 300  # as phones put one there
    yield "a video behind.jpg", video, NirPicture(opened(sound))
    scan = sound.index(b"\xff\xda")
    yield "segments that do not fit.jpg", changed(sound, 20, b"\0\0"), "damaged or cut off"
    hidden = b"\xff\xd8\xff\xe1\0\x10Exif\0\0II*\0\x08\0\0\0".ljust(0xFFE3, b"\0")
    yield "a segment within one.jpg", sound[:2] + hidden + sound[2:], "damaged or cut off"
    yield "scans without end.jpg", sound[:-2] + sound[scan:-2] * 300, "more than 200 scans"


def _sizes():
    for width, height in ((1, 1), (1, 9), (12, 1)):
        small = np.ascontiguousarray(WIDE[:height, :width])
        yield f"{width}x{height}.png", by_opencv(small), NirPicture(small)
        yield f"{width}x{height}.tif", by_tifffile(small), NirPicture(small)
        data = saved(np.ascontiguousarray(BAND[:height, :width]), "JPEG")
        yield f"{width}x{height}.jpg", data, NirPicture(opened(data))
    yield "no width.png", png((0, 9), 8, 0, b""), "0x9 has no pixels"
    yield "no height.tif", tiff({257: [0]}), "12x0 has no pixels"
    jpeg = saved(BAND, "JPEG")
    frame = jpeg.index(b"\xff\xc0") + 5
    yield "no height.jpg", changed(jpeg, frame, b"\0\0"), "not a readable JPEG"
    most = 2**31 - 1
    larger = "megapixels, more than 100; --largest allows more"
    yield "huge header.png", png((most, most), 8, 0, b"\0"), larger
    yield "huge header.jpg", changed(jpeg, frame, b"\xff" * 4), larger
    yield "huge header.tif", tiff({256: [2**32 - 1], 257: [2**32 - 1]}), larger
    bomb = zlib.compressobj(9)
    row = bomb.compress(bytes(20_001)) + b"".join(bomb.compress(bytes(20_001)) for _ in range(99))
    packed = row + bomb.flush()
    yield "a bomb.png", png((20_000, 20_000), 8, 0, b"", packed=packed), larger
    # Within the limit, and yet more of it than there is.
    yield "a hollow.png", png((9_000, 9_000), 16, 2, b"\0"), "its parts do not fit together"
    tall = tiff({256: [9_000], 257: [9_000], 278: [9_000]})
    yield "a hollow.tif", tall, "cannot be unpacked"


def _named():
    sound, damaged = saved(BAND, "PNG"), saved(BAND, "PNG")[:40]
    for name in (
        *("with spaces .png", "two\nlines.png", "tab\tand\rreturn.png", "近赤外線.png"),
        *("צבע.png", "ü\N{COMBINING DIAERESIS}.png", "-leading-dash.png", "--output", "🌳.png"),
        *("x" * 200 + ".png", "[a]*?.png", "per%cent{0}.png", "quote'\".png", "\x1b[31mred.png"),
        os.fsdecode(b"\xff not text.png"),
    ):
        yield name, sound, NirPicture(BAND)
        yield f"cut {name}", damaged, "cut off"


def _places(folder: Path) -> Iterator[Case]:
    """What is no file at all."""

    def case(name, outcome):
        return Case(name, folder / name, outcome)

    (folder / "a folder.png").mkdir()
    yield case("a folder.png", "a folder, expected a picture")
    yield case("missing.png", r"cannot be read \(No such file")
    yield case("y" * 300 + ".png", r"cannot be read \(File name too long")
    yield case("a zero\0in it.png", r"cannot be read \(embedded null byte")
    (folder / "loop.png").symlink_to("loop back.png")
    (folder / "loop back.png").symlink_to("loop.png")
    yield case("loop.png", r"cannot be read \(Too many levels of symbolic links")
    (folder / "dangling.png").symlink_to("nowhere.png")
    yield case("dangling.png", r"cannot be read \(No such file")
    (folder / "a good link.png").symlink_to("grey.jpg")
    yield case("a good link.png", NirPicture(opened((folder / "grey.jpg").read_bytes())))
    os.mkfifo(folder / "pipe.png")  # nobody writes into it
    yield case("pipe.png", "a pipe or a device")
    (folder / "device.png").symlink_to("/dev/zero")
    yield case("device.png", "a pipe or a device")
    (folder / "forbidden.png").write_bytes(saved(BAND, "PNG"))
    (folder / "forbidden.png").chmod(0)
    root = os.geteuid() == 0  # who may read everything
    yield case("forbidden.png", NirPicture(BAND) if root else r"cannot be read \(Permission denied")
    with (folder / "gigabytes.tif").open("wb") as file:
        file.write(tiff({}))
        file.truncate(2**33)  # takes no room on the disk
    yield case("gigabytes.tif", "8590 MB, more than 100 megapixels take; --largest allows more")
