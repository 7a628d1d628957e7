"""What the sizes of `bad_inputs` are too small for."""

import numpy as np
import pytest
from bad_tiffs import LARGE
from picture_files import by_opencv, packed_bits, saved, tiff
from PIL import Image

from nirgan.data.decoding import tiff_blocks
from nirgan.data.images import read_nir
from nirgan.errors import NirganError

PAGE = {256: [90], 257: [70], 258: [16], 259: [32773]}


def packbits(blocks, places_tag, sizes_tag, tags):
    """A TIFF of blocks in PackBits, none of which gets smaller."""
    packed = []
    for block in blocks:
        data = block.tobytes()
        runs = [data[start : start + 128] for start in range(0, len(data), 128)]
        packed.append(b"".join(bytes([len(run) - 1]) + run for run in runs))
    sizes = [len(data) for data in packed]
    places = [8 + sum(sizes[:n]) for n in range(len(sizes))]
    return tiff(PAGE | tags | {places_tag: places, sizes_tag: sizes}, b"".join(packed))


def strips(rows):
    return [LARGE[top : top + rows] for top in range(0, 70, rows)]


def tiles(height, width):
    padded = np.pad(LARGE, ((0, -70 % height), (0, -90 % width)))
    return [
        np.ascontiguousarray(padded[top : top + height, left : left + width])
        for top in range(0, 70, height)
        for left in range(0, 90, width)
    ]


@pytest.mark.parametrize("batch", [1, 1500, 5000])
@pytest.mark.parametrize(
    "data",
    [
        by_opencv(np.dstack([LARGE] * 3), ".tif"),
        packbits(strips(9), 273, 279, {278: [9]}),
        packbits(tiles(32, 16), 324, 325, {322: [16], 323: [32], 273: None, 278: None, 279: None}),
        packbits(strips(32) * 3, 273, 279, {278: [32], 277: [3], 284: [2], 262: [2]}),
    ],
    ids=["rows", "strips", "tiles", "planes"],
)
def test_blocks_are_expanded_some_at_a_time(tmp_path, monkeypatch, data, batch):
    monkeypatch.setattr(tiff_blocks, "BATCH", batch)
    (tmp_path / "a.tif").write_bytes(data)
    np.testing.assert_array_equal(read_nir(tmp_path / "a.tif"), LARGE)


def test_what_pillow_takes_for_a_bomb(tmp_path, monkeypatch):
    (tmp_path / "a.tif").write_bytes(saved(LARGE, "TIFF", compression="tiff_lzw"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(NirganError, match=r"strips of 0 MB, compressed with LZW; save it"):
        read_nir(tmp_path / "a.tif")


def test_bits_are_unpacked_some_rows_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_blocks, "AT_ONCE", 200)
    twelve = LARGE % 4096
    tags = {256: [90], 257: [70], 258: [12], 278: [70]}
    (tmp_path / "a.tif").write_bytes(tiff(tags, packed_bits(twelve, 12)))
    np.testing.assert_array_equal(read_nir(tmp_path / "a.tif"), twelve)
