"""Sound files with a few bytes changed: still the one line or a picture, whatever was changed.

What the search found is in `bad_inputs`. With `NIRGAN_FUZZ=100000` it goes on, with other examples
each time.
"""

import os
import struct
import zlib

import numpy as np
import pytest
from bad_tiffs import LARGE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picture_files import (
    ALPHA,
    BAND,
    COLOR,
    SIGNATURE,
    UNIT,
    WIDE,
    by_opencv,
    by_tifffile,
    chunk,
    exif,
    in_time,
    packed_bits,
    png,
    rows_of,
    saved,
    tiff,
)
from PIL import Image

from nirgan.errors import NirganError, printable_path
from nirgan.inference.images.files import read

EXAMPLES = os.environ.get("NIRGAN_FUZZ", "")
THREE = np.dstack([WIDE] * 3)
PALETTE = [(b"PLTE", bytes(n // 3 for n in range(12))), (b"tRNS", b"\0\x80")]
SOUND = [
    png((12, 9), 8, 0, rows_of(BAND), before=[(b"eXIf", exif(6)), (b"tRNS", b"\0\7")]),
    png((12, 9), 8, 3, rows_of(BAND % 4), before=PALETTE),
    png((12, 9), 4, 0, b"".join(b"\1" + packed_bits(row[None], 4) for row in BAND % 16)),
    png((12, 9), 16, 4, rows_of(np.dstack([WIDE, WIDE]))),
    png((8, 1), 8, 0, rows_of(BAND[:1, :1]) + rows_of(BAND[:1, 1:2]) + b"\0ab\0cdef", interlace=1),
    by_opencv(THREE),
    saved(BAND, "JPEG", exif=b"Exif\0\0" + exif(3)),
    saved(np.dstack([BAND] * 3), "JPEG", progressive=True),
    saved(BAND, "TIFF", compression="tiff_lzw"),
    saved(np.dstack([BAND] * 3 + [ALPHA]), "TIFF", compression="tiff_adobe_deflate"),
    saved(UNIT, "TIFF", compression="packbits", tiffinfo={317: 3}),
    by_opencv(THREE, ".tif"),
    by_tifffile(LARGE, tile=(16, 32), compression="zlib", predictor=True),
    by_tifffile(np.stack([BAND] * 3), photometric="rgb", planarconfig="separate", bigtiff=True),
    by_tifffile(UNIT.astype(np.float16), byteorder=">"),
    tiff({258: [12]}, packed_bits(WIDE >> 4, 12)),
    tiff({262: [3], 258: [4], 320: [n % 16 * 4096 for n in range(48)]}, packed_bits(BAND % 16, 4)),
    tiff({262: [0], 274: [5]}),
    saved(BAND, "TIFF", compression="jpeg"),
    saved(Image.fromarray(BAND).convert("1"), "TIFF", compression="group4"),
    by_tifffile(BAND.astype(np.int16), compression="zstd"),
    saved(COLOR, "JPEG"),
]
ORDERS = st.sampled_from(["<H", ">H", "<I", ">I"])
NUMBERS = st.sampled_from([0, 1, 2, 3, 7, 8, 16, 32, 64, 255, 2**15, 2**16 - 1, 2**31, 2**32 - 1])
CHANGES = st.one_of(
    st.tuples(st.just("bytes"), st.floats(0, 1), st.binary(min_size=1, max_size=4)),
    st.tuples(st.just("number"), st.floats(0, 1), NUMBERS, ORDERS),
    st.tuples(st.just("insert"), st.floats(0, 1), st.binary(min_size=1, max_size=20)),
    st.tuples(st.just("remove"), st.floats(0, 1), st.integers(1, 40)),
    st.tuples(st.just("copy"), st.floats(0, 1), st.floats(0, 1), st.integers(1, 60)),
    st.tuples(st.just("cut"), st.floats(0, 1)),
)


def apply(change, data):
    kind, where, *rest = change
    place = int(where * len(data))
    if kind == "bytes":
        return data[:place] + rest[0] + data[place + len(rest[0]) :]
    if kind == "number":
        new = struct.pack(rest[1], rest[0] % 2 ** (8 * struct.calcsize(rest[1])))
        return data[:place] + new + data[place + len(new) :]
    if kind == "insert":
        return data[:place] + rest[0] + data[place:]
    if kind == "remove":
        return data[:place] + data[place + rest[0] :]
    if kind == "copy":
        start = int(rest[0] * len(data))
        return data[:place] + data[start : start + rest[1]] + data[place:]
    return data[:place]


def mended(data):
    """A PNG with right checksums, so that more than these is looked at."""
    if not data.startswith(SIGNATURE):
        return data
    chunks, place = SIGNATURE, len(SIGNATURE)
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        chunks += chunk(kind, data[place + 8 : place + 8 + length])
        place += 12 + length
    return chunks


def in_rows(change, data):
    """A PNG with its rows changed before they are compressed."""
    place = data.find(b"IDAT")
    if place < 0 or not data.startswith(SIGNATURE):
        return data
    (length,) = struct.unpack_from(">I", data, place - 4)
    rows = apply(change, zlib.decompress(data[place + 4 : place + 4 + length]))
    return data[: place - 4] + chunk(b"IDAT", zlib.compress(rows)) + data[place + 8 + length :]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzzed") / "a.png"


@settings(
    max_examples=int(EXAMPLES or 150),
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    sound=st.sampled_from(SOUND),
    rows=st.none() | CHANGES,
    changes=st.lists(CHANGES, max_size=4),
    mend=st.booleans(),
)
def test_changed_files(path, sound, rows, changes, mend):
    data = in_rows(rows, sound) if rows else sound
    for change in changes:
        data = apply(change, data)
    path.write_bytes(mended(data) if mend else data)
    try:
        with in_time():
            picture = read(path)
    except NirganError as error:
        text = str(error)
        assert text.startswith(f"{printable_path(path)}: ")
        return
    band, alpha = picture.band, picture.alpha
    assert band.ndim == 2
    assert 1 <= band.size <= 100e6
    assert band.dtype == np.float32 or band.dtype.kind in "iu"
    assert band.dtype.isnative
    assert band.dtype != np.float32 or np.isfinite(band).all()
    assert alpha is None or (alpha.shape == band.shape and alpha.dtype == band.dtype)


@pytest.mark.parametrize("number", range(len(SOUND)))
def test_files_that_are_changed_were_sound(path, number):
    path.write_bytes(SOUND[number])
    if SOUND[number] == SOUND[-1]:
        with pytest.raises(NirganError, match="channels that differ"):
            read(path)
    else:
        read(path)
