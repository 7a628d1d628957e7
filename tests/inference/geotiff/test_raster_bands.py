"""Which band of a raster is near-infrared, and what its numbers mean."""

import numpy as np
import pytest
import tifffile
from picture_files import packed_bits, tiff
from PIL import Image
from torch import nn

from nirgan.data.scaling import Scale
from nirgan.errors import NirganError
from nirgan.inference.batch.jobs import Job
from nirgan.inference.batch.pipeline import Options, run_jobs
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.geotiff.colorize import colorize_geotiff, is_geotiff
from nirgan.inference.images.files import read
from nirgan.utils.rect import Rect

rasterio = pytest.importorskip("rasterio")
from rasterio.enums import ColorInterp  # noqa: E402
from rasters import TURNED, Smooth, save, scene  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

GREY = scene(40, 50, "uint8")
FOUR = np.stack([GREY // 4, GREY // 3, GREY // 2, GREY])
FOUR[3, 10:20, 10:30] = 0  # water, black in near-infrared
EQUAL = np.stack([GREY] * 3)
ALMOST = EQUAL.copy()
ALMOST[2, -1, -1] ^= 1
WORLD = "10\n0\n0\n-10\n505\n4995\n"
PLAIN = "gray undefined undefined undefined"


@pytest.mark.parametrize(
    ("bands", "kinds", "names", "chosen", "outcome"),
    [
        (FOUR, "red green blue alpha", "", None, "1 (red), 2 (green), 3 (blue), 4 (alpha)"),
        (FOUR, "red green blue alpha", "", 4, 4),
        (FOUR, "red green blue nir", "", None, -4),
        (FOUR, "red green blue nir", "", 1, 1),
        (FOUR, PLAIN, "Blue|Near-Infrared (B8)|SWIR 1|thermal infrared", None, -2),
        (FOUR, PLAIN, "b2|b3|b4|b8_nir", None, -4),
        (FOUR, PLAIN, "NIR 1|NIR 2|red|green", None, "1 (NIR 1), 2 (NIR 2), 3 (red)"),
        (FOUR, PLAIN, "snir|shortwave infrared|nira|B8", None, "4 bands that differ"),
        (FOUR, "red green blue alpha", "red|green|blue|nir", None, -4),  # GDAL's own guess
        (FOUR[:2], "gray undefined", "Red|NIR_mask", None, "2 bands that differ"),
        (FOUR[[3, 0]], "gray alpha", "", None, 1),
        (EQUAL, "red green blue", "", None, 1),
        (ALMOST, "red green blue", "", None, "3 bands that differ"),
        (FOUR[:1], "gray", "red", None, 1),
    ],
)
def test_the_band(tmp_path, bands, kinds, names, chosen, outcome):
    source, target = save(tmp_path / "a.tif", bands, crs="EPSG:4326"), tmp_path / "out/a.tif"
    with rasterio.open(source, "r+") as dataset:
        dataset.colorinterp = [ColorInterp[kind] for kind in kinds.split()]
        dataset.descriptions = names.split("|") if names else [None] * len(bands)
    if isinstance(outcome, str):
        with pytest.raises(NirganError) as error:
            colorize_geotiff(Smooth(), source, target, Scale(), band=chosen)
        assert str(error.value).startswith(f"{source}: ")
        assert outcome in str(error.value)
        assert "--band" in str(error.value)
        assert not target.exists()
        return
    hints = colorize_geotiff(Smooth(), source, target, Scale.parse("0,255"), band=chosen)
    number = abs(outcome)
    assert [f"band {number} is taken, named" in hint for hint in hints] == [True] * (outcome < 0)
    # Transparency is a mask, but where it is the band that was chosen.
    alpha = kinds.split().index("alpha") if "alpha" in kinds else number - 1
    valid = bands[alpha] > 0 if alpha != number - 1 else np.ones(GREY.shape, bool)
    with rasterio.open(target) as after:
        np.testing.assert_array_equal(after.read(1), bands[number - 1] * valid)
        np.testing.assert_array_equal(after.dataset_mask() > 0, valid)


def test_a_place_is_not_lost_by_a_program(tmp_path):
    source = save(tmp_path / "a.tif", GREY[None], crs="EPSG:4326")
    with pytest.raises(
        NirganError, match=r"a.tif: a GeoTIFF, .* `python -m nirgan colorize` keeps"
    ):
        Colorizer(nn.Identity())(source)
    assert not (tmp_path / "a_color.tif").exists()


def test_equal_channels_of_a_jpeg_may_be_off_by_its_noise(tmp_path):
    source = save(tmp_path / "a.tif", EQUAL, compress="jpeg", photometric="ycbcr")
    colorize_geotiff(Smooth(), source, tmp_path / "b.tif", Scale())
    source = save(tmp_path / "c.tif", FOUR[1:], compress="jpeg", photometric="ycbcr")
    with pytest.raises(NirganError, match="3 bands that differ"):
        colorize_geotiff(Smooth(), source, tmp_path / "d.tif", Scale())


@pytest.mark.parametrize("everywhere", [True, False])
def test_bands_are_counted_through_pages_and_keep_the_place(tmp_path, everywhere):
    place = [(33550, "d", 3, (10.0, 10.0, 0.0)), (33922, "d", 6, (0.0, 0, 0, 500, 5000, 0))]
    source, target = tmp_path / "a.tif", tmp_path / "b.tif"
    with tifffile.TiffWriter(source) as writer:
        for n, band in enumerate(FOUR):
            tags = place if everywhere or not n else []
            writer.write(band, photometric="minisblack", extratags=tags)
            writer.write(band[::2, ::2], subfiletype=1)
    assert is_geotiff(source)
    with pytest.raises(NirganError, match=r"4 bands that differ.*--band: 1 \(gray\), 2 \(gray\)"):
        colorize_geotiff(Smooth(), source, target, Scale())
    with pytest.raises(NirganError, match="no band 5; .*of the 4 that there are"):
        colorize_geotiff(Smooth(), source, target, Scale(), band=5)
    for number in (1, 3, 4):
        colorize_geotiff(Smooth(), source, target, Scale(), band=number)
        with rasterio.open(target) as after:
            np.testing.assert_array_equal(after.read(1), FOUR[number - 1])
            assert after.transform == rasterio.Affine(10, 0, 500, 0, -10, 5000)


def _files():
    wide = scene(40, 50)
    options = {"photometric": "minisblack"}
    for dtype in ("int8", "int64", "float16", "float64"):
        yield dtype, tifffile.imwrite, (GREY.astype(dtype) / 2).astype(dtype), options
    yield "white is zero", tifffile.imwrite, GREY, {"photometric": "miniswhite"}
    yield "wide white is zero", tifffile.imwrite, wide, {"photometric": "miniswhite"}
    yield "twelve bits", tiff, wide >> 4, {258: [12]}
    yield "twelve bits, white is zero", tiff, wide >> 4, {258: [12], 262: [0]}
    for bits in (1, 2, 4):
        yield f"{bits} bits", tiff, GREY % 2**bits, {258: [bits]}
        yield f"{bits} bits, white is zero", tiff, GREY % 2**bits, {258: [bits], 262: [0]}
    palette = [n % 256 * 257 for n in range(255, -1, -1)] * 3
    yield "grey palette", tiff, GREY, {262: [3], 320: palette}
    yield "jpeg", tifffile.imwrite, GREY, {"compression": "jpeg", **options}


@pytest.mark.parametrize(
    ("make", "band", "options"), [pytest.param(*rest, id=name) for name, *rest in _files()]
)
def test_both_readers_of_tiffs_read_the_same(tmp_path, make, band, options):
    """One of them reads pictures, the other those that have a place on Earth."""
    from nirgan.inference.geotiff.reader import RasterSource

    path = tmp_path / "a.tif"
    if make is tifffile.imwrite:
        tifffile.imwrite(path, band, **options)
    else:
        size = {256: [50], 257: [40], 278: [40]}
        path.write_bytes(tiff(size | options, packed_bits(band, options.get(258, [8])[0])))
    assert not is_geotiff(path)
    picture = read(path).band
    (tmp_path / "a.tfw").write_text(WORLD)
    assert is_geotiff(path)
    with RasterSource(path) as source:
        raster = source.filled(Rect(0, 0, 40, 50))
    lossy = int(options.get("compression") == "jpeg")
    np.testing.assert_allclose(raster.astype(float), picture.astype(float), atol=lossy)
    assert picture.std() > 0
    if picture.dtype.kind in "iu":
        assert raster.dtype == picture.dtype


def _pam(content):
    return f"<PAMDataset>{content}</PAMDataset>"


RPC_NUMBERS = "\n".join(
    [
        *(f"{name}_OFF: 5" for name in ("LINE", "SAMP", "LAT", "LONG", "HEIGHT")),
        *(f"{name}_SCALE: 7" for name in ("LINE", "SAMP", "LAT", "LONG", "HEIGHT")),
        *(
            f"{name}_COEFF_{n}: {n}"
            for name in ("LINE_NUM", "LINE_DEN", "SAMP_NUM", "SAMP_DEN")
            for n in range(1, 21)
        ),
    ]
)
POINTS = "".join(
    f'<GCP Id="{n}" Pixel="{x}" Line="{y}" X="{x / 9}" Y="{50 - y / 7}"/>'
    for n, (x, y) in enumerate([(0, 0), (50, 0), (0, 40), (50, 40)])
)
GCPS = f'<GCPList Projection="EPSG:4326">{POINTS}</GCPList>'
TRANSFORM = "<GeoTransform>500,10,0,5000,0,-10</GeoTransform>"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tfw", WORLD),
        ("a.wld", "1\n0\n0\n-1\n0.5\n-0.5\n"),
        ("a.tif.aux.xml", _pam("<SRS>EPSG:32632</SRS>" + TRANSFORM)),
        ("a.tif.aux.xml", _pam(GCPS)),
        ("a.tif.aux.xml", _pam(TRANSFORM + GCPS)),
        ("a.tif.aux.xml", _pam("<SRS>EPSG:32632</SRS>")),
        ("a_RPC.TXT", RPC_NUMBERS + "\n"),
    ],
)
def test_all_that_rasterio_reads_as_a_place_is_kept(tmp_path, name, content):
    source, target = tmp_path / "a.tif", tmp_path / "out/b.tif"
    tifffile.imwrite(source, GREY)
    assert not is_geotiff(source)
    (tmp_path / name).write_text(content)
    assert is_geotiff(source)
    hints = colorize_geotiff(Smooth(), source, target, Scale())
    twice = "GeoTransform" in content and "GCP" in content
    assert ["one of its two places is lost" in hint for hint in hints] == [True] * twice
    assert [path.name for path in target.parent.iterdir()] == ["b.tif"]
    with rasterio.open(source) as before, rasterio.open(target) as after:
        np.testing.assert_array_equal(after.read(1), GREY)
        points = [[(p.row, p.col, p.x, p.y) for p in each.gcps[0]] for each in (before, after)]
        assert points[0] == points[1]
        assert before.gcps[1] == after.gcps[1]
        if not twice:
            assert (before.crs, before.transform) == (after.crs, after.transform)
        polynomials = [each.rpcs and each.rpcs.to_gdal() for each in (before, after)]
        for each in polynomials:  # a TIFF has -1 for errors that are not known
            _ = each and [each.pop(name, None) for name in ("ERR_BIAS", "ERR_RAND")]
        assert polynomials[0] == polynomials[1]
        placed = after.crs or after.rpcs or points[1] or not after.transform.is_identity
        assert placed


def test_holes_beside_a_picture_count_as_a_place(tmp_path):
    source = save(tmp_path / "a.tif", GREY)
    assert not is_geotiff(source)
    with rasterio.open(source, "r+") as dataset:
        dataset.write_mask(GREY > 90)
    assert is_geotiff(source)
    colorize_geotiff(Smooth(), source, tmp_path / "b.tif", Scale())
    with rasterio.open(tmp_path / "b.tif") as after:
        np.testing.assert_array_equal(after.dataset_mask() > 0, GREY > 90)


def test_a_place_inside_is_known_without_a_look_beside(tmp_path, monkeypatch):
    import sys

    placed = save(tmp_path / "a.tif", GREY, transform=TURNED)
    beside = save(tmp_path / "b.tif", GREY)
    monkeypatch.delitem(sys.modules, "nirgan.inference.geotiff.reader", raising=False)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    assert is_geotiff(placed)
    assert not is_geotiff(beside)
    for picture, world in (("b.tif", "b.TFW"), ("long.tiff", "long.tiffw")):
        save(tmp_path / picture, GREY)
        (tmp_path / world).write_text(WORLD)
        with monkeypatch.context() as patch:
            patch.setattr("os.scandir", None)  # of thousands, each would list the others
            assert is_geotiff(tmp_path / picture)
    with pytest.raises(NirganError, match=r"b\.tif: rasterio is not .*pip install 'nirgan\[geo\]'"):
        colorize_geotiff(Smooth(), beside, tmp_path / "c.tif", Scale())


@pytest.mark.parametrize(
    ("suffix", "form", "name", "content"),
    [
        *((".png", None, f"a{suffix}", WORLD) for suffix in (".pgw", ".PGW", ".pngw", ".wld")),
        (".png", ".tif", "a.pgw", WORLD),
        (".jpeg", ".png", "a.jgw", WORLD),
        (".png", None, "a.png.aux.xml", _pam("<SRS>EPSG:32632</SRS>" + TRANSFORM)),
        (".jpg", ".tif", "a.jpg.aux.xml", _pam(GCPS)),
        (".png", None, "a.png.aux.xml", _pam('<PAMRasterBand band="1"></PAMRasterBand>')),
    ],
)
def test_a_place_beside_a_picture_is_kept(tmp_path, suffix, form, name, content):
    source, target = tmp_path / f"a{suffix}", tmp_path / f"out/b{form or suffix}"
    Image.fromarray(GREY).save(source)
    (tmp_path / name).write_text(content)
    job = Job(source, target, "picture")
    outcome = run_jobs(Colorizer(nn.Identity(), tile=64), [job], Options())
    assert outcome.done == [target]
    with rasterio.open(source) as before, rasterio.open(target) as after:
        assert (before.crs, before.transform) == (after.crs, after.transform)
        assert len(before.gcps[0]) == len(after.gcps[0])
        placed = "PAMRasterBand" not in content
        assert bool(after.gcps[0] or not after.transform.is_identity) == placed
    assert len(list(target.parent.iterdir())) == 1 + placed


def test_where_the_place_cannot_be_kept_no_picture_counts_as_made(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "a.pgw").write_text(WORLD)
    (tmp_path / "out/a.pgw").mkdir(parents=True)
    job = Job(tmp_path / "a.png", tmp_path / "out/a.png", "picture")
    (problem,) = run_jobs(Colorizer(nn.Identity(), tile=64), [job], Options()).problems
    assert "a.pgw: cannot be written" in problem
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.pgw"]


def test_a_place_of_a_picture_that_was_turned_is_not_copied(tmp_path):
    camera = Image.Exif()
    camera[274] = 6
    Image.fromarray(GREY).save(tmp_path / "a.jpg", exif=camera)
    (tmp_path / "a.jgw").write_text(WORLD)
    job = Job(tmp_path / "a.jpg", tmp_path / "out/a.jpg", "picture")
    run_jobs(Colorizer(nn.Identity(), tile=64), [job], Options())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.jpg"]
