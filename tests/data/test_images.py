import cv2
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from nirgan.data.images import (
    DTYPE_SCALE,
    read_nir,
    read_rgb,
    read_rgbn,
    write_png,
)
from nirgan.errors import NirganError

RGB = np.dstack([np.full((5, 7), v) for v in (10, 20, 200)]).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("a.tiff", RGB),
        ("b.png", RGB.astype(np.uint16) * 257),
        ("c.tiff", (RGB / 255).astype(np.float32)),
    ],
)
def test_every_depth_is_read_as_it_is(tmp_path, name, pixels):
    lossless = [cv2.IMWRITE_TIFF_COMPRESSION, 1]  # OpenCV 4.10 writes color floats as LogLuv
    cv2.imwrite(str(tmp_path / name), pixels[..., ::-1], lossless)
    read = read_rgb(tmp_path / name)
    assert read.dtype == pixels.dtype
    assert np.array_equal(read, pixels)
    cv2.imwrite(str(tmp_path / f"nir-{name}"), pixels[..., 2])
    assert np.array_equal(read_nir(tmp_path / f"nir-{name}"), pixels[..., 2])


def test_three_equal_channels_are_one_band(tmp_path):
    Image.fromarray(np.dstack([RGB[..., 2]] * 3)).save(tmp_path / "n.png")
    assert np.array_equal(read_nir(tmp_path / "n.png"), RGB[..., 2])
    Image.fromarray(RGB).save(tmp_path / "color.png")
    with pytest.raises(NirganError, match="color.png: 3 channels that differ"):
        read_nir(tmp_path / "color.png")


def test_a_grey_picture_has_no_colors(tmp_path):
    Image.new("L", (9, 9)).save(tmp_path / "grey.png")
    with pytest.raises(NirganError, match=r"grey.png: 1 channel\(s\), expected 3"):
        read_rgb(tmp_path / "grey.png")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (-0.1, r"from -0.1 to 0.5, expected \[0, 1\]"),
        (np.nan, "that are not finite"),
        (np.inf, "that are not finite"),
    ],
)
def test_float_values_outside_0_to_1_are_refused(tmp_path, value, words):
    picture = np.full((4, 4), 0.5, np.float32)
    picture[1, 2] = value
    cv2.imwrite(str(tmp_path / "f.tiff"), picture)
    with pytest.raises(NirganError, match=f"f.tiff: float values {words}"):
        read_nir(tmp_path / "f.tiff")


def test_nothing_is_learned_from_transparent_pictures(tmp_path):
    for mode, read in (("LA", read_nir), ("RGBA", read_rgb)):
        Image.new(mode, (4, 4)).save(tmp_path / "a.png")
        with pytest.raises(NirganError, match="a.png: an alpha channel"):
            read(tmp_path / "a.png")
    five, options = np.zeros((4, 4, 5), np.uint8), {"photometric": "rgb", "extrasamples": (0, 2)}
    tifffile.imwrite(tmp_path / "a.tif", five, planarconfig="contig", **options)
    with pytest.raises(NirganError, match="a.tif: an alpha channel"):
        read_rgbn(tmp_path / "a.tif", DTYPE_SCALE, DTYPE_SCALE)


def test_pages_of_several_types_are_no_pair(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for kind in ("u1", "u1", "u1", "u2"):
            file.write(np.full((4, 4), 200, kind), photometric="minisblack")
    with pytest.raises(NirganError, match=r"pages of different types \(uint16, uint8\), expected"):
        read_rgbn(tmp_path / "a.tif", DTYPE_SCALE, DTYPE_SCALE)


def test_a_written_picture_is_rounded_and_clipped(tmp_path):
    picture = torch.tensor([-0.2, 0.5, 1.3]).view(3, 1, 1)
    write_png(tmp_path / "new/p.png", picture)
    assert np.asarray(Image.open(tmp_path / "new/p.png")).tolist() == [[[0, 128, 255]]]
    assert [f.name for f in (tmp_path / "new").iterdir()] == ["p.png"]
