import errno
import os
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import tifffile
import torch
from bad_tiffs import STACK
from picture_files import ALPHA, BAND, COLOR, UNIT, WIDE, by_opencv, by_tifffile, saved, write
from PIL import Image

from nirgan.errors import NirganError
from nirgan.inference.images import files
from nirgan.inference.images.files import read, write_degrees
from nirgan.inference.images.metadata import SYNTHETIC_SOURCE_TYPE

TITLE = "nirgan 0.1.0, model «default» & <more> (1a2b3c4d)"
DESCRIPTION = f"Synthetic colors, made from near-infrared by {TITLE}"
RGB = torch.rand(3, 30, 50, generator=torch.Generator().manual_seed(0))


def levels(depth, rgb=RGB):
    pixels = (rgb.float() * (2**depth - 1)).round().permute(1, 2, 0).numpy()
    return pixels.astype(f"uint{depth}")


def by_another(path):
    """Red, green, blue, and alpha."""
    if path.suffix == ".tif":
        return tifffile.imread(path)
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_what_is_written_is_what_others_read(tmp_path, suffix, depth):
    alpha = np.arange(1500, dtype=np.uint16).reshape(30, 50) * 43
    target = tmp_path / f"new/a{suffix}"
    write(target, RGB, depth=depth, title=TITLE, alpha=alpha)
    opaque = levels(depth, torch.from_numpy(alpha / 65535)[None])
    expected = np.concatenate([levels(depth), opaque], -1)
    assert by_another(target).dtype == expected.dtype
    np.testing.assert_array_equal(by_another(target), expected)
    if depth == 8:  # Pillow has no more
        np.testing.assert_array_equal(np.asarray(Image.open(target)), expected)
    assert [file.name for file in target.parent.iterdir()] == [target.name]


RGBA = np.dstack([COLOR, ALPHA])
PLANES = [*np.moveaxis(RGBA, 2, 0)]


@pytest.mark.parametrize(
    ("name", "data", "bands", "more"),
    [
        ("grey.png", by_opencv(WIDE), [WIDE], ""),
        ("alpha.png", saved(RGBA, "PNG"), PLANES, "differ"),
        ("alpha.tif", saved(RGBA, "TIFF"), PLANES, "differ"),
        ("stack.tif", by_tifffile(STACK, photometric="minisblack"), [*STACK], "several pages"),
        (
            "bands.tif",
            by_tifffile(STACK, photometric="minisblack", planarconfig="separate"),
            [*STACK],
            "5 channels, expected 1 or 3, and alpha at most",
        ),
        (
            "pages of channels.tif",
            by_tifffile(np.stack([COLOR, COLOR[::-1]]), photometric="rgb"),
            [*PLANES[:3], *(plane[::-1] for plane in PLANES[:3])],
            "several pages",
        ),
        ("inks.tif", saved(Image.fromarray(RGBA, "CMYK"), "TIFF"), PLANES, "inks"),
    ],
)
def test_a_channel_or_page_is_chosen_by_number_and_taken_at_its_word(
    tmp_path, name, data, bands, more
):
    path = tmp_path / name
    path.write_bytes(data)
    for number, band in enumerate(bands, 1):
        picture = read(path, band=number)
        np.testing.assert_array_equal(picture.band, band)
        opaque = "alpha" in name and number < len(bands)
        assert (picture.alpha is not None) == opaque
        assert not opaque or np.array_equal(picture.alpha, ALPHA)
    with pytest.raises(NirganError, match=rf"no band {len(bands) + 1}, of the {len(bands)} that"):
        read(path, band=len(bands) + 1)
    if len(bands) > 1:
        with pytest.raises(NirganError, match=more) as error:
            read(path)
        assert more == "inks" or "--band N chooses" in str(error.value)


def test_a_jpeg_is_near_what_was_written(tmp_path):
    smooth = torch.linspace(0.2, 0.8, 64).expand(3, 48, 64)
    write(tmp_path / "a.JPG", smooth, depth=8, title=TITLE)
    pixels = np.asarray(Image.open(tmp_path / "a.JPG"), int)
    assert np.abs(pixels - levels(8, smooth)).max() <= 3


@pytest.mark.parametrize("size", [(1, 1), (4, 1), (1, 4)])  # OpenCV may take 4 for a color
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_small_pictures(tmp_path, suffix, size):
    write(tmp_path / f"a{suffix}", torch.ones(3, *size), depth=8, title="t")
    assert np.array_equal(by_another(tmp_path / f"a{suffix}"), np.full((*size, 3), 255))


def test_values_are_clipped(tmp_path):
    rgb = torch.tensor([-0.3, 1.2, 0.5]).view(3, 1, 1)
    for depth, half in ((8, 128), (16, 32768)):
        write(tmp_path / "a.png", rgb, depth=depth, title="t")
        red, green, blue = by_another(tmp_path / "a.png")[0, 0].tolist()
        assert (red, green, blue) == (0, 2**depth - 1, half)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_files_say_that_their_colors_are_synthetic(tmp_path, name):
    write(tmp_path / name, RGB, depth=8, title=TITLE)
    with Image.open(tmp_path / name) as picture:
        picture.load()
        if name == "a.png":
            assert picture.text["Description"] == DESCRIPTION
            assert picture.text["Software"] == TITLE
            xmp = picture.text["XML:com.adobe.xmp"]
        else:
            tags = picture.getexif() if name == "a.jpg" else picture.tag_v2
            # Pillow takes text for Latin-1, tifffile for what it is.
            assert tags[270].encode("latin-1").decode() == DESCRIPTION
            assert tags[305].encode("latin-1").decode() == TITLE
            packet = picture.applist[2][1] if name == "a.jpg" else tags[700]
            xmp = packet.removeprefix(b"http://ns.adobe.com/xap/1.0/\0").decode()
    assert f'Iptc4xmpExt:DigitalSourceType="{SYNTHETIC_SOURCE_TYPE}"' in xmp
    tree = ElementTree.fromstring(xmp[xmp.index("<x:xmpmeta") : xmp.rindex("<?xpacket")])
    assert DESCRIPTION in "".join(tree.itertext())
    creator = next(
        e.get("{http://ns.adobe.com/xap/1.0/}CreatorTool") for e in tree.iter() if e.attrib
    )
    assert creator == TITLE


def test_a_map_of_degrees(tmp_path):
    degrees = torch.rand(30, 51).numpy() * 40
    write_degrees(tmp_path / "u.tif", degrees, TITLE)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "u.tif"), degrees)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "u.tif")), degrees)
    with tifffile.TiffFile(tmp_path / "u.tif") as file:
        assert file.pages[0].description.endswith(DESCRIPTION)


def test_large_tiffs_are_in_strips(tmp_path):
    rgb = torch.rand(3, 700, 601)
    write(tmp_path / "a.tif", rgb, depth=16, title="t")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), levels(16, rgb))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert len(file.pages[0].dataoffsets) == 3


@pytest.mark.parametrize(
    ("alpha", "depth", "expected"),
    [
        (np.array([[0, 128, 255]], np.uint8), 16, [0, 128 * 257, 65535]),
        (np.array([[0, 0.5, 1]], np.float32), 8, [0, 128, 255]),
    ],
)
def test_alpha_of_another_depth(tmp_path, alpha, depth, expected):
    write(tmp_path / "a.png", torch.rand(3, 1, 3), depth=depth, title="t", alpha=alpha)
    assert by_another(tmp_path / "a.png")[0, :, 3].tolist() == expected


@pytest.mark.parametrize(
    ("name", "depth", "shape", "words"),
    [
        ("a.jpg", 16, (30, 50, 3), "a JPEG cannot hold 16 bits"),
        ("a.JPEG", 8, (30, 50, 4), "a JPEG cannot hold an alpha channel"),
        ("a.jpg", 8, (1, 65_501, 3), "longer than 65500 pixels; write PNG or TIFF"),
        ("a.tif", 16, (2**15, 2**14, 4), "a TIFF holds less than 4 GB; write PNG"),
        ("a.gif", 8, (30, 50, 3), "cannot write .gif, expected .png"),
        ("a", 8, (30, 50, 3), "cannot write a file without a suffix"),
    ],
)
def test_targets_that_cannot_be(tmp_path, name, depth, shape, words):
    pixels = np.broadcast_to(np.zeros((), f"uint{depth}"), shape)
    with pytest.raises(NirganError, match=words):
        files.write(tmp_path / name, pixels, "t")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_what_cannot_be_written_leaves_nothing(tmp_path, name, monkeypatch):
    target = tmp_path / name
    write(target, RGB, depth=8, title="t")
    before = target.read_bytes()

    class Full(BytesIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "open", lambda self, *_: self.touch() or Full())
    with pytest.raises(NirganError, match=r"cannot be written \(No space left"):
        write(target, RGB / 2, depth=8, title="t")
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert target.read_bytes() == before


def test_targets_that_are_in_the_way(tmp_path):
    (tmp_path / "a.png").mkdir()
    (tmp_path / "file").touch()
    for name, words in (("a.png", "Is a directory"), ("file/b.png", "Not a directory|File exists")):
        with pytest.raises(NirganError, match=rf"cannot be written \({words}"):
            write(tmp_path / name, RGB, depth=8, title="t")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.png", "file"]


def test_the_limit_can_be_set(tmp_path):
    for name, data in (
        ("a.png", by_opencv(WIDE)),
        ("a.jpg", saved(BAND, "JPEG")),
        ("a.tif", saved(UNIT, "TIFF")),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(NirganError, match=f"{name}: a picture of 12x9 .* --largest allows"):
            read(tmp_path / name, 0.000107)
        assert read(tmp_path / name, 0.000108).band.shape == (9, 12)


@pytest.mark.linux
def test_a_thousand_pictures_leave_no_file_open(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(BAND, "PNG"))
    (tmp_path / "b.jpg").write_bytes(saved(BAND, "JPEG"))
    (tmp_path / "c.tif").write_bytes(saved(BAND, "TIFF", compression="tiff_lzw"))
    (tmp_path / "d.png").write_bytes(saved(BAND, "PNG")[:60])
    before = len(list(Path("/proc/self/fd").iterdir()))
    for n in range(1000):
        path = tmp_path / ("a.png", "b.jpg", "c.tif", "d.png")[n % 4]
        if path.name == "d.png":
            with pytest.raises(NirganError):
                read(path)
        else:
            read(path)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_what_is_hidden_has_no_part_in_the_colors(tmp_path):
    alpha = np.zeros((40, 60), np.uint8)
    alpha[10:30, 20:50] = 255
    band = np.arange(2400, dtype=np.uint8).reshape(40, 60)
    read_as = []
    for name, hidden in (("black", 0), ("white", 255)):
        whole = np.dstack([np.where(alpha > 0, band, np.uint8(hidden)), alpha])
        Image.fromarray(whole).save(tmp_path / f"{name}.png")
        read_as.append(read(tmp_path / f"{name}.png").band)
    assert np.array_equal(*read_as)
    assert np.array_equal(read_as[0][alpha > 0], band[alpha > 0])
    assert (read_as[0][:10, 30] == band[10, 30]).all()  # the nearest that is seen
