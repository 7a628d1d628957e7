"""TIFFs that people and their tools do hand over; see `bad_inputs`."""

import struct
from io import BytesIO

import numpy as np
import tifffile
from picture_files import (
    ALPHA,
    BAND,
    COLOR,
    ORIENTATION,
    UNIT,
    WIDE,
    by_opencv,
    by_tifffile,
    changed,
    opened,
    packed_bits,
    saved,
    tiff,
    turned,
)
from PIL import Image

from nirgan.inference.images.files import NirPicture

LARGE = np.arange(70 * 90, dtype=np.uint16).reshape(70, 90) * 9
REFUSED = "expected integers or floats"
STACK = np.arange(5 * 108, dtype=np.uint16).reshape(5, 9, 12) * 99


def bad_tiffs():
    yield from _depths()
    yield from _floats()
    yield from _layouts()
    yield from _compressed()
    yield from _damaged()
    for orientation in range(1, 10):  # there is no 9
        data = tiff({ORIENTATION: [orientation]})
        yield f"turned {orientation}.tif", data, NirPicture(turned(BAND, orientation))


def _depths():
    twelve = WIDE >> 4
    yield "12 bits in 16.tif", by_tifffile(twelve), NirPicture(twelve)
    yield "12 bits packed.tif", tiff({258: [12]}, packed_bits(twelve, 12)), NirPicture(twelve)
    ten = (WIDE >> 6)[:, :11]
    data = tiff({256: [11], 258: [10]}, packed_bits(ten, 10))
    yield "10 bits packed, rows padded.tif", data, NirPicture(ten)
    for bits in (1, 2, 3, 4, 6):
        few = BAND % 2**bits
        data = tiff({258: [bits]}, packed_bits(few, bits))
        wide = np.round(few * (255 / (2**bits - 1))).astype(np.uint8)
        yield f"{bits} bits.tif", data, NirPicture(wide)
    yield "white is zero.tif", tiff({262: [0]}), NirPicture(255 - BAND)
    data = tiff({258: [16], 262: [0]}, WIDE.tobytes())
    yield "white is zero in 16 bits.tif", data, NirPicture(65535 - WIDE)
    data = tiff({258: [1], 262: [0]}, packed_bits(BAND % 2, 1))
    yield "white is zero in 1 bit.tif", data, NirPicture((1 - BAND % 2) * 255)
    for kind in ("int8", "int16", "int32", "uint32", "int64", "uint64"):
        signed = (BAND.astype(np.int64) - (100 if kind[0] == "i" else 0)).clip(-128, 127)
        signed = signed.astype(kind)
        yield f"{kind}.tif", by_tifffile(signed), NirPicture(signed)
        yield f"{kind}, big endian.tif", by_tifffile(signed, byteorder=">"), NirPicture(signed)
    yield "complex.tif", by_tifffile(UNIT.astype(np.complex64)), f"type complex64, {REFUSED}"
    yield "24 bits.tif", tiff({258: [24]}, bytes(324)), f"type uint24, {REFUSED}"
    yield "0 bits.tif", tiff({258: [0]}), f"type uint0, {REFUSED}"
    yield "unequal bits.tif", tiff({258: [8, 16, 8], 277: [3]}, bytes(432)), "different types"
    few = BAND % 2
    data = np.packbits(np.pad(few, ((0, 0), (0, 4))), axis=1, bitorder="little").tobytes()
    yield "bits in reverse.tif", tiff({266: [2], 258: [1]}, data), NirPicture(few * 255)


def _floats():
    yield "float.tif", by_tifffile(UNIT), NirPicture(UNIT)
    yield "float beyond 1.tif", by_tifffile(UNIT * 4000 - 9), NirPicture(UNIT * 4000 - 9)
    yield (
        "half.tif",
        by_tifffile(UNIT.astype(np.float16)),
        NirPicture(UNIT.astype(np.float16).astype(np.float32)),
    )
    yield "double.tif", by_tifffile(UNIT.astype(np.float64)), NirPicture(UNIT)
    for name, values in (("nan", [np.nan]), ("inf", [np.inf, -np.inf]), ("huge", [1e300])):
        bad = UNIT.astype(np.float64)
        bad.flat[5 : 5 + len(values)] = values
        data = by_tifffile(bad if name == "huge" else bad.astype(np.float32))
        yield f"{name}.tif", data, f"{len(values)} of 108 values are not finite"
    yield "nan only.tif", by_tifffile(UNIT * np.nan), "108 of 108 values are not finite"
    data = tiff({258: [32], 339: [3], 262: [0]}, UNIT.tobytes())
    yield "white is zero in floats.tif", data, "floats in which white is zero"


def _layouts():
    yield "big endian.tif", by_tifffile(WIDE, byteorder=">"), NirPicture(WIDE)
    yield "big endian float.tif", by_tifffile(UNIT, byteorder=">"), NirPicture(UNIT)
    yield "BigTIFF.tif", by_tifffile(WIDE, bigtiff=True), NirPicture(WIDE)
    yield (
        "BigTIFF, big endian.tif",
        by_tifffile(WIDE, bigtiff=True, byteorder=">"),
        NirPicture(WIDE),
    )
    yield "tiles.tif", by_tifffile(LARGE, tile=(32, 16)), NirPicture(LARGE)
    yield "strips.tif", by_tifffile(LARGE, rowsperstrip=9), NirPicture(LARGE)
    planes = np.stack([LARGE] * 3)
    apart = {"photometric": "rgb", "planarconfig": "separate"}
    yield "planes.tif", by_tifffile(planes, rowsperstrip=32, **apart), NirPicture(LARGE)
    yield "planes of tiles.tif", by_tifffile(planes, tile=(16, 32), **apart), NirPicture(LARGE)
    data = by_tifffile(np.stack([BAND, BAND, BAND, ALPHA]), extrasamples=["unassalpha"], **apart)
    yield "planes and alpha.tif", data, NirPicture(BAND, ALPHA)
    yield "a smaller copy.tif", _with_copy(), NirPicture(WIDE)
    yield "sizes left out.tif", tiff({279: None}), NirPicture(BAND)
    yield "as few tags as can be.tif", tiff({262: None, 277: None, 259: None}), NirPicture(BAND)


def _compressed():
    for name, method in (
        ("LZW", "tiff_lzw"),
        ("deflate", "tiff_adobe_deflate"),
        ("old deflate", "tiff_deflate"),
        ("PackBits", "packbits"),
    ):
        yield f"{name}.tif", saved(LARGE, "TIFF", compression=method), NirPicture(LARGE)
    three = np.dstack([LARGE] * 3)
    yield "LZW, differences.tif", by_opencv(three, ".tif"), NirPicture(LARGE)
    # Pillow writes differences where it is told to; strips of 64 kB.
    data = saved(UNIT, "TIFF", compression="tiff_lzw", tiffinfo={317: 3})
    yield "LZW, differences of floats.tif", data, NirPicture(UNIT)
    data = saved(UNIT, "TIFF", compression="tiff_adobe_deflate", tiffinfo={317: 3})
    yield "deflate, differences of floats.tif", data, NirPicture(UNIT)
    tiled = by_tifffile(LARGE, tile=(32, 48), compression="zlib", predictor=True)
    yield "deflate, tiles of differences.tif", tiled, NirPicture(LARGE)
    for name, picture in (("JPEG", BAND), ("equal channels' JPEG", np.dstack([BAND] * 3))):
        data = saved(picture, "TIFF", compression="jpeg", quality=95)
        grey = opened(data) if picture.ndim == 2 else opened(data)[..., 1]
        yield f"{name} in a TIFF.tif", data, NirPicture(grey)
    for method in ("group3", "group4", "tiff_ccitt"):
        fax = saved(Image.fromarray(BAND).convert("1"), "TIFF", compression=method)
        yield f"{method}.tif", fax, NirPicture(opened(fax) * np.uint8(255))
    for method in ("zstd", "lzma", "webp", "lerc"):
        level = {"compressionargs": {"lossless": True}} if method == "webp" else {}
        three = np.dstack([BAND] * 3)
        data = by_tifffile(three, compression=method, photometric="rgb", **level)
        yield f"{method}.tif", data, NirPicture(BAND)
    yield "unknown compression.tif", tiff({259: [777]}), "compression 777, expected"
    yield "unknown predictor.tif", tiff({317: [9]}), "9 is not a known PREDICTOR"
    yield "floats' differences of bytes.tif", tiff({317: [3]}), "cannot be unpacked"


def _damaged():
    cut = "cut off"
    yield "strip beyond the end.tif", tiff({273: [9_999_999]}), cut
    yield "strip that is longer.tif", tiff({279: [9_999_999]}), cut
    yield "strip that is shorter.tif", tiff({279: [50]}), "cannot be unpacked"
    yield "strip of nothing.tif", tiff({273: [0], 279: [0]}), "a strip or tile of 0 bytes"
    tiles = {322: [16], 323: [16], 324: [9_999_999], 325: [256], 273: None, 278: None, 279: None}
    yield "tile beyond the end.tif", tiff(tiles), cut
    yield "too few tiles.tif", tiff(tiles | {256: [40]}), "1 strips or tiles, expected 3"
    yield "tiles of no width.tif", tiff(tiles | {322: [0]}), "no pixels"
    yield "tiles that fill a memory.tif", tiff(tiles | {322: [2**31], 323: [2**31]}), "megapixels"
    data = tiff(tiles | {256: [40], 322: [16], 323: [6_000_000], 324: [8] * 3, 325: [9] * 3})
    yield "long tiles.tif", data, "megapixels"
    yield "strips of no rows.tif", tiff({278: [0]}), "no pixels"
    yield "no strips.tif", tiff({273: None}), "0 strips or tiles, expected 1"
    yield "no width.tif", tiff({256: None}), "0x9 has no pixels"
    looped = bytearray(_with_copy())
    copy = _next(looped, _after(looped, _next(looped, 4)))
    struct.pack_into("<I", looped, _after(looped, copy), copy)
    yield "copies in a loop.tif", bytes(looped), "form a loop"
    yield "a copy first.tif", tiff({254: [1], 330: [8]}), "a raw camera file"
    yield "the same page again.tif", tiff({}, loop=True), "form a loop"
    yield "directory beyond the end.tif", struct.pack("<2sHI", b"II", 42, 2**31), cut
    yield (
        "directory without end.tif",
        struct.pack("<2sHIH", b"II", 42, 8, 65535),
        "of tags 65535",
    )
    yield "text as a width.tif", tiff({256: "twelve"}), "a size that is no whole number"
    yield "no palette.tif", tiff({262: [3]}), "a palette that is missing"
    yield "short palette.tif", tiff({262: [3], 320: [1, 2, 3]}), "its palette has 3 values"
    yield "raw camera file.tif", tiff({50706: b"\1\4\0\0"}), "a raw camera file"
    yield "mosaic.tif", tiff({262: [32803]}), "the filters of a raw camera file"
    for name, method in (("LZW", "tiff_lzw"), ("deflate", "tiff_adobe_deflate")):
        whole = saved(COLOR[..., 0], "TIFF", compression=method)
        start = Image.open(BytesIO(whole)).tag_v2[273][0]
        yield f"damaged {name}.tif", changed(whole, start, b"\xff" * 20), "cannot be unpacked"


def _with_copy():
    file = BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(WIDE)
        writer.write(WIDE[::2, ::2], subfiletype=1)
    return file.getvalue()


def _next(data, place):
    """Where the directory begins that is named at a place."""
    return struct.unpack_from("<I", data, place)[0]


def _after(data, place):
    """Where a directory names the next one."""
    return place + 2 + 12 * struct.unpack_from("<H", data, place)[0]
