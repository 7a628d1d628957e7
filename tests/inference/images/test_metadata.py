"""What a camera wrote beside its pixels stands beside the mark of synthetic colors, in any form."""

import struct
import tracemalloc
from io import BytesIO

import numpy as np
import pytest
import tifffile
import torch
from picture_files import chunk, directory, in_time, saved, tiff, write
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from nirgan.data.decoding.decode import decode
from nirgan.data.decoding.picture import Metadata, SizeLimit
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.images.files import read
from nirgan.inference.images.metadata import SYNTHETIC_SOURCE_TYPE, xmp

BAND = (np.arange(30 * 50) % 251).astype(np.uint8).reshape(30, 50)
GPS = {1: "N", 2: (46.0, 31.0, 0.5), 3: "E", 4: (6.0, 34.0, 0.25), 6: 431.5}
TAKEN = {33434: 0.004, 36867: "2024:05:01 12:00:00", 37500: b"maker's own\0\xff", 41989: 24}
DRONE = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/" drone-dji:GimbalYawDegree="+12.50" '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" '
    b'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="camera"><xmp:Rating>3</xmp:Rating>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)
RGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = RGB_PROFILE[:16] + b"GRAY" + RGB_PROFILE[20:]
TITLE = "nirgan 0, model m"
FORMATS = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF"}


def exif(orientation=1):
    made = Image.Exif()
    made[271], made[272], made[306] = "Maker", "NIR-1", "2024:05:01 12:00:00"
    made[270], made[305], made[274] = "a field", "firmware", orientation
    made.get_ifd(0x8769).update({**TAKEN, 40962: 50, 40963: 30})
    made.get_ifd(0x8825).update(GPS)
    return made


def taken(path, profile=b"", orientation=1, packet=DRONE):
    """A picture of a camera, as Pillow writes it."""
    form, options = FORMATS[path.suffix[1:]], {}
    tags = exif(orientation)
    if form == "PNG" and packet:
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", packet.decode(), zip=True)
    elif form == "TIFF":
        tags[700] = packet
    elif packet:
        options["xmp"] = packet
    image = Image.fromarray(BAND)
    image.save(
        path, form, exif=tags.tobytes(), dpi=(300, 150), icc_profile=profile or None, **options
    )
    return path


def said(path):
    """What Pillow finds in a file: tags, EXIF, GPS, DPI, profile, XMP."""
    with Image.open(path) as image:
        image.load()
        tags = image.getexif()
        packet = tags.get(700) or image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
        packet = packet if isinstance(packet, bytes) else packet.encode()
        return {
            "tags": {t: tags.get(t) for t in (270, 271, 272, 274, 305, 306)},
            "exif": dict(tags.get_ifd(0x8769)),
            "gps": dict(tags.get_ifd(0x8825)),
            "dpi": image.info.get("dpi"),
            "profile": image.info.get("icc_profile"),
            "xmp": packet.decode(),
            "size": image.size,
        }


@pytest.mark.parametrize(("given", "made"), [("jpg", "png"), ("png", "tif"), ("tif", "jpg")])
def test_what_a_camera_says_is_kept_in_any_format(tmp_path, given, made):
    picture = read(taken(tmp_path / f"a.{given}", RGB_PROFILE, orientation=6))
    height, width = picture.band.shape
    assert (width, height) == (30, 50)  # upright, as written
    target = tmp_path / f"b.{made}"
    rgb = torch.rand(3, height, width)
    write(target, rgb, depth=8, title=TITLE, metadata=picture.metadata)
    found = said(target)
    assert found["size"] == (width, height)
    assert found["tags"].pop(274) in (None, 1)
    assert found["tags"] == {
        270: f"Synthetic colors, made from near-infrared by {TITLE}",
        271: "Maker",
        272: "NIR-1",
        305: TITLE,
        306: "2024:05:01 12:00:00",
    }
    assert found["gps"] == GPS
    assert found["exif"] == {**TAKEN, 40962: width, 40963: height}
    assert found["dpi"] == pytest.approx((300, 150), abs=0.02)
    assert found["profile"] == RGB_PROFILE
    for kept in (
        'drone-dji:GimbalYawDegree="+12.50"',
        "<xmp:Rating>3<",
        SYNTHETIC_SOURCE_TYPE,
        TITLE,
    ):
        assert kept in found["xmp"]
    for gone in ("tiff:Orientation", '"camera"'):
        assert gone not in found["xmp"]
    if made != "jpg":
        expected = (rgb * 255).round().permute(1, 2, 0).numpy()
        assert np.array_equal(np.asarray(Image.open(target)), expected)


@pytest.mark.parametrize("form", FORMATS)
def test_a_profile_of_a_grey_picture_does_not_go_with_colors(tmp_path, form):
    picture = read(taken(tmp_path / f"a.{form}", GREY_PROFILE))
    assert picture.metadata.icc == GREY_PROFILE
    write(
        tmp_path / f"b.{form}",
        torch.rand(3, 30, 50),
        depth=8,
        title=TITLE,
        metadata=picture.metadata,
    )
    assert said(tmp_path / f"b.{form}")["profile"] is None


def test_a_large_profile_is_in_several_segments(tmp_path):
    profile = RGB_PROFILE + bytes(np.random.default_rng(0).integers(0, 255, 150_000, np.uint8))
    profile = struct.pack(">I", len(profile)) + profile[4:]
    for form in FORMATS:
        picture = Metadata(icc=profile)
        write(tmp_path / f"b.{form}", torch.rand(3, 9, 9), depth=8, title=TITLE, metadata=picture)
        assert said(tmp_path / f"b.{form}")["profile"] == profile
        assert decode(tmp_path / f"b.{form}", SizeLimit(1.0, "")).metadata.icc == profile


def test_the_colorizer_and_deep_tiffs_keep_it_too(tmp_path):
    class Grey(torch.nn.Module):
        def forward(self, triplet):
            return triplet

    wide = BAND.astype(np.uint16) * 257
    tifffile.imwrite(
        *(tmp_path / "a.tif", wide),
        byteorder=">",
        resolution=(118.11, 118.11),
        resolutionunit="CENTIMETER",
        extratags=[(271, 2, 0, "MicaSense", True), (50714, 3, 1, 4800, True)],
    )
    made = Colorizer(Grey(), "m", device="cpu")(tmp_path / "a.tif")
    with tifffile.TiffFile(made) as file:
        tags = file.pages[0].tags
        assert tags[271].value == "MicaSense"
        assert 50714 not in tags  # its black level was the band's
        assert tags[282].value[0] / tags[282].value[1] == pytest.approx(300, abs=0.01)
        assert np.array_equal(file.asarray(), np.dstack([wide] * 3))


def damaged():
    sound = struct.pack("<2sHI", b"II", 42, 8)
    yield "no directory", sound
    yield "beyond the end", struct.pack("<2sHI", b"II", 42, 2**31)
    yield "values beyond the end", sound + struct.pack("<HHHII", 1, 271, 2, 2**30, 2**20) + bytes(4)
    yield "directories in a circle", sound + directory({34665: [8], 34853: [8]}, 8)
    yield "no unit", sound + directory({282: [300], 283: [300], 296: [7]}, 8)
    halves = 282, 3, 1, 300, 283, 5, 1, 50, 296, 3, 1, 2, 0, 0, 0
    yield "0/0 down", sound + struct.pack("<HHHIIHHIIHHIIIII", 3, *halves)
    many = {tag: bytes(2**15) for tag in range(40091, 40096)}
    yield "too much", sound + directory(many, 8)


@pytest.mark.parametrize(("what", "tags"), list(damaged()))
def test_a_picture_is_not_the_worse_for_damaged_metadata(tmp_path, what, tags):
    file = BytesIO()
    Image.fromarray(BAND).save(file, "PNG", exif=b"Exif\0\0" + tags, icc_profile=b"none")
    (tmp_path / "a.png").write_bytes(file.getvalue())
    picture = read(tmp_path / "a.png")
    assert np.array_equal(picture.band, BAND)
    write(
        tmp_path / "b.jpg", torch.rand(3, 30, 50), depth=8, title=TITLE, metadata=picture.metadata
    )
    assert said(tmp_path / "b.jpg")["tags"][305] == TITLE
    assert said(tmp_path / "b.jpg")["profile"] is None


def hostile(form):
    """A picture of 2 MB: each of 4000 tags holds all of it."""
    sound = saved(BAND, form)
    overlapping = b"".join(struct.pack("<HHII", n, 7, 2**21, 0) for n in range(1000, 5000))
    if form == "TIFF":
        sound = tiff({})
        (place,) = struct.unpack_from("<I", sound, 4)
        own = sound[place + 2 : -4]
        count = struct.pack("<H", len(own) // 12 + 4000)
        return (sound[:place] + count + own + overlapping).ljust(2**21 + 4, b"\0")
    tags = struct.pack("<2sHIH", b"II", 42, 8, 4000) + overlapping
    return sound[:33] + chunk(b"eXIf", tags.ljust(2**21, b"\0")) + sound[33:]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_metadata_fill_no_memory(tmp_path, form):
    (tmp_path / "a").write_bytes(hostile(form))
    tracemalloc.start()
    with in_time():
        read(tmp_path / "a")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**26


@pytest.mark.parametrize(
    "packet",
    [
        b"<!DOCTYPE a [<!ENTITY b 'bbb'>]>" + DRONE,
        DRONE[:-20],
        DRONE.replace(b"rdf:RDF", b"rdf:XYZ"),
        DRONE.replace(b"+12.50", b"9" * 70_000),
        b'<?xml version="1.0" encoding="foo"?>' + DRONE,
        DRONE.replace(
            b"</rdf:Description>", b"<a>" * 1500 + b"</a>" * 1500 + b"</rdf:Description>"
        ),
    ],
)
def test_xmp_that_cannot_be_kept_is_left_out(packet):
    assert xmp(TITLE, packet) == xmp(TITLE)
