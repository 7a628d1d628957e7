import os
import shutil
from threading import Thread

import numpy as np
import pytest
import torch

from nirgan.data.scaling import Scale
from nirgan.inference.geotiff.colorize import colorize_geotiff, is_geotiff
from nirgan.inference.uncertainty import expected_error
from nirgan.utils.rect import Rect

rasterio = pytest.importorskip("rasterio")
from rasterio.enums import ColorInterp, MaskFlags  # noqa: E402
from rasters import TURNED, Smooth, colorized, expected, save, scene  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.mark.parametrize(
    ("dtype", "scale", "low", "high", "most"),
    [
        ("uint8", "dtype", 0, 255, 255),
        ("int16", "-100,30000", -100, 30000, 65535),
        ("float32", "dtype", 0, 1, 65535),
    ],
)
def test_windows_give_what_the_whole_raster_gives(tmp_path, dtype, scale, low, high, most):
    band = scene(75, 101, dtype)
    if band.dtype.kind == "i":
        band = band - np.iinfo(dtype).max // 4
    colors, dataset = colorized(save(tmp_path / "a.tif", band), scale)
    assert dataset.dtypes[0] == ("uint8" if most == 255 else "uint16")
    unit = np.clip((band.astype(np.float64) - low) / (high - low), 0, 1)
    assert np.abs(colors - expected(unit, most)).max() <= 1


def test_depth_is_what_was_asked_for(tmp_path):
    colors, _ = colorized(save(tmp_path / "a.tif", scene(40, 40, "uint8")), depth=16)
    assert colors.dtype == np.uint16
    assert colors.max() > 0.9 * 65535


@pytest.mark.parametrize(
    "layout",
    [
        {"tiled": True, "blockxsize": 48, "blockysize": 16, "compress": "lzw", "predictor": 2},
        {"tiled": True, "blockxsize": 112, "blockysize": 112, "compress": "zstd"},
        {"tiled": True, "blockxsize": 256, "blockysize": 256},
        {"blockysize": 7, "compress": "deflate", "predictor": 2},
        {"blockysize": 200},
    ],
)
def test_place_blocks_and_compression_are_kept(tmp_path, layout):
    source = save(tmp_path / "a.tif", scene(90, 112), crs="EPSG:32633", transform=TURNED, **layout)
    with rasterio.open(source, "r+") as before:
        before.update_tags(AREA_OR_POINT="Point", TIFFTAG_DATETIME="2020:01:02 03:04:05", OWNER="x")
    colors, _ = colorized(source, uncertainty=tmp_path / "map.tif")
    np.testing.assert_array_equal(colors, expected(scene(90, 112) / 65535, 65535))
    for path in (tmp_path / "out/a.tif", tmp_path / "map.tif"):
        with rasterio.open(source) as before, rasterio.open(path) as after:
            assert (after.crs, after.transform) == (before.crs, before.transform)
            assert after.block_shapes[0] == before.block_shapes[0]
            assert after.compression == before.compression
            assert after.profile["tiled"] == before.profile["tiled"]
            predictor = "3" if path.name == "map.tif" else "2"
            found = after.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR")
            assert found == (predictor if "predictor" in layout else None)
            tags = after.tags()
            assert (tags["AREA_OR_POINT"], tags["OWNER"]) == ("Point", "x")
            assert tags["TIFFTAG_DATETIME"] == "2020:01:02 03:04:05"


def test_colors_say_what_they_are(tmp_path):
    colorized(save(tmp_path / "a.tif", scene(40, 50), crs="EPSG:4326"))
    with rasterio.open(tmp_path / "out/a.tif") as after:
        assert after.colorinterp == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        assert after.descriptions == ("red", "green", "blue")
        assert after.tags()["TIFFTAG_SOFTWARE"] == Smooth.title
        assert "ynthetic" in after.tags()["TIFFTAG_IMAGEDESCRIPTION"]
        packet = after.tags(ns="xml:XMP")["xml:XMP"]
    assert packet.startswith("<?xpacket begin=")
    assert Smooth.title in packet


def test_nothing_lies_beside_the_files(tmp_path):
    source = save(tmp_path / "a.tif", scene(40, 50))
    colorized(source, "percentile", uncertainty=tmp_path / "out/map.tif")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.tif", "a.tif", "map.tif", "out"]


def holes(shape):
    """Which pixels are data: not a margin that slants, nor single pixels, nor a wide hole."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    valid = columns > 20 + rows // 3
    valid[5::17, 3::13] = False
    valid[40:90, 90:190] = False
    return valid


@pytest.mark.parametrize(
    ("dtype", "nodata", "depth", "kept"),
    [
        ("uint8", 255, 16, 255),
        ("uint16", 65535, None, 65535),
        ("uint16", 65535, 8, None),
        ("int16", -9999, None, None),
        ("float32", np.nan, None, None),
        ("float32", -3.4028234663852886e38, 8, None),
        ("float32", 0, None, 0),
    ],
)
def test_no_data_stays_no_data_and_nothing_else_becomes_it(tmp_path, dtype, nodata, depth, kept):
    band = scene(150, 200, dtype)
    valid = holes(band.shape)
    # Colors that equal the value, in the way that a saturated sky does.
    band[100:110] = 1 if nodata == 0 else band.max()
    scale = "0,30000" if dtype == "int16" else "0,1" if dtype == "float32" else "dtype"
    band[~valid] = nodata
    source = save(tmp_path / "a.tif", band, nodata=nodata)
    colors, dataset = colorized(source, scale, depth=depth, uncertainty=tmp_path / "map.tif")
    assert dataset.nodata == kept
    with rasterio.open(tmp_path / "out/a.tif") as after:
        for number in (1, 2, 3):
            np.testing.assert_array_equal(after.read_masks(number) > 0, valid)
        masked = MaskFlags.per_dataset in after.mask_flag_enums[0]
        assert masked == (kept is None)
    with rasterio.open(tmp_path / "map.tif") as unsure:
        assert np.isnan(unsure.nodata)
        degrees = unsure.read(1)
    np.testing.assert_array_equal(np.isfinite(degrees), valid)
    unit = torch.from_numpy(colors / np.iinfo(colors.dtype).max)
    np.testing.assert_allclose(degrees[valid], expected_error(unit[None])[0][valid], atol=0.3)
    whole, _ = colorized(source, scale, Smooth(tile=1000), depth=depth)
    np.testing.assert_array_equal(colors, whole)


@pytest.mark.parametrize("kind", ["mask", "alpha", "nodata and alpha"])
def test_masks_and_transparency_become_a_mask(tmp_path, kind):
    band = scene(60, 80)
    valid = holes(band.shape)
    source = tmp_path / "a.tif"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        if kind == "mask":
            save(source, band, blockysize=16)
            with rasterio.open(source, "r+") as dataset:
                dataset.write_mask(valid)
        else:
            nodata = {"nodata": -1e9} if "nodata" in kind else {}
            dtype = "int32" if nodata else "uint16"
            bands = np.stack([band, valid * 65535]).astype(dtype)
            save(source, bands, alpha="yes", photometric="minisblack", **nodata)
            assert rasterio.open(source).colorinterp[1] == ColorInterp.alpha
    colors, dataset = colorized(source, "0,65535")
    assert dataset.count == 3
    assert dataset.nodata is None
    with rasterio.open(tmp_path / "out/a.tif") as after:
        np.testing.assert_array_equal(after.dataset_mask() > 0, valid)
    assert not colors[:, ~valid].any()
    assert np.abs(colors[0][valid] - band[valid].astype(int)).max() <= 1


def test_holes_are_filled_alike_in_every_window_and_from_nearby(tmp_path):
    from scipy.ndimage import distance_transform_edt

    from nirgan.inference.geotiff.reader import RasterSource
    from nirgan.inference.nodata_fill import FILL_RADIUS_PX

    band = np.arange(1, 300 * 260 + 1, dtype=np.uint32).reshape(300, 260)  # says where it is from
    valid = holes(band.shape)
    valid[100:, 60:] = False
    band[~valid] = 0
    rng = np.random.default_rng(0)
    with RasterSource(save(tmp_path / "a.tif", band, nodata=0), 1) as source:
        whole = source.filled(Rect(0, 0, 300, 260))
        for _ in range(60):
            top, left = rng.integers(280), rng.integers(240)
            bottom, right = top + rng.integers(1, 90), left + rng.integers(1, 90)
            window = Rect(top, left, min(bottom, 300), min(right, 260))
            np.testing.assert_array_equal(
                source.filled(window), whole[top:bottom, left:right], err_msg=str(window)
            )
    np.testing.assert_array_equal(whole[valid], band[valid])
    distances = distance_transform_edt(~valid)
    rows, columns = np.divmod(whole.astype(int) - 1, 260)
    found = np.hypot(rows - np.arange(300)[:, np.newaxis], columns - np.arange(260))
    near = distances < FILL_RADIUS_PX / 1.1
    assert (found[near] <= 1.1 * distances[near]).all()
    assert (whole[distances > FILL_RADIUS_PX * 1.1] == int(np.median(band[valid]))).all()


def test_a_hole_casts_no_shadow(tmp_path):
    band = np.full((64, 64), 40000, np.uint16)
    band[20:40, 20:40] = 0
    colors, _ = colorized(save(tmp_path / "a.tif", band, nodata=0))
    valid = band > 0
    assert (colors[1][valid] == 40000).all()


def test_all_of_it_may_be_no_data(tmp_path):
    colors, dataset = colorized(save(tmp_path / "a.tif", np.zeros((40, 50), np.uint8), nodata=0))
    assert not colors.any()
    assert dataset.nodata == 0


def test_percentiles_leave_out_no_data_and_are_the_same_for_all_windows(tmp_path):
    band = scene(70, 90)
    band[:40] = 0
    colors, _ = colorized(save(tmp_path / "a.tif", band, nodata=0), "percentile:0,100")
    low, high = band[40:].min(), band[40:].max()
    unit = (band[40:].astype(np.float64) - low) / (np.float64(high) - low)
    assert np.abs(colors[0, 40:] - unit * 65535).max() <= 1


def test_windows_that_are_read_are_no_larger_for_a_larger_raster(tmp_path, monkeypatch):
    """And what waits to be written is less than two rows of blocks."""
    from nirgan.data.rasters import bands
    from nirgan.inference.geotiff import reader, writer

    asked, waiting = [], []
    read, put = bands.Bands.read, writer.RasterTarget._copy_to_block

    def counted(self, window, shape=None):
        values = read(self, window, shape)
        asked.append(values.size)
        return values

    def weighed(self, *arguments):
        put(self, *arguments)
        waiting.append(sum(pixels.nbytes for pixels, _ in self._incomplete.values()))

    monkeypatch.setattr(bands, "SAMPLE_SIDE_PX", 64)
    monkeypatch.setattr(reader.nodata_fill, "FILL_RADIUS_PX", 8)
    monkeypatch.setattr(bands.Bands, "read", counted)
    monkeypatch.setattr(writer.RasterTarget, "_copy_to_block", weighed)
    most = []
    for height in (200, 400):
        band = scene(height, 300, "uint8")
        band[::50] = 0
        source = save(
            tmp_path / f"{height}.tif", band, nodata=0, tiled=True, blockxsize=48, blockysize=48
        )
        asked.clear(), waiting.clear()
        colorized(source)
        most.append((max(asked), max(waiting)))
    assert most[0][0] == most[1][0] <= max((32 + 4 + 16) ** 2, 64**2)
    assert most[0][1] == most[1][1] <= 2 * 336 * 48 * 3


def test_every_block_is_written_once(tmp_path, monkeypatch):
    from nirgan.inference.geotiff import writer

    written = []
    write = writer.RasterTarget._write
    monkeypatch.setattr(writer.RasterTarget, "_write", lambda *a: (written.append(a[1]), write(*a)))
    colorized(save(tmp_path / "a.tif", scene(100, 130), tiled=True, blockxsize=48, blockysize=48))
    assert len(written) == len(set(written)) == 9


def test_beginning_again_in_smaller_windows_is_right(tmp_path):
    class Restarted(Smooth):
        def colorize_windows(self, height, width, read, write):
            rgb = self.colors(read(Rect(0, 0, 50, width)))
            write(Rect(0, 0, 50, width), 1 - rgb)
            super().colorize_windows(height, width, read, write)

    band = scene(100, 130)
    source = save(tmp_path / "a.tif", band, tiled=True, blockxsize=48, blockysize=48)
    colors, _ = colorized(source, colorizer=Restarted())
    np.testing.assert_array_equal(colors, expected(band / 65535, 65535))


def test_progress_comes_to_all_pixels(tmp_path):
    ticks = []
    colorized(save(tmp_path / "a.tif", scene(40, 70)), tick=ticks.append)
    assert len(ticks) > 1
    assert sum(ticks) == 40 * 70


def test_coordinates_that_no_tiff_holds_are_said_to_be_lost(tmp_path):
    turned = "+proj=ob_tran +o_proj=longlat +o_lon_p=-162 +o_lat_p=39 +lon_0=180 +to_meter=0.01745"
    source = save(tmp_path / "a.tif", scene(20, 30), crs=turned, transform=TURNED)
    assert (tmp_path / "a.tif.aux.xml").exists()
    (hint,) = colorize_geotiff(Smooth(), source, tmp_path / "out.tif", Scale())
    assert "coordinate system" in hint
    assert not (tmp_path / "out.tif.aux.xml").exists()
    assert len(list(tmp_path.iterdir())) == 3


def test_other_compressions_are_replaced_and_said(tmp_path):
    source = save(tmp_path / "a.tif", scene(64, 64, "uint8"), compress="jpeg")
    hints = colorize_geotiff(Smooth(), source, tmp_path / "out.tif", Scale())
    assert len(hints) == 1
    assert "JPEG" in hints[0]
    assert "DEFLATE" in hints[0]
    with rasterio.open(tmp_path / "out.tif") as after:
        assert after.compression.value == "DEFLATE"


def test_twelve_bits_are_noticed(tmp_path):
    source = save(tmp_path / "a.tif", scene(64, 64) // 16, crs="EPSG:4326", transform=TURNED)
    (hint,) = colorize_geotiff(Smooth(), source, tmp_path / "out.tif", Scale())
    assert str(source) in hint
    assert "0,4095" in hint


@pytest.mark.parametrize(
    "georeference",
    [
        {"crs": "EPSG:4326", "BIGTIFF": "YES"},
        {"nodata": 3, "ENDIANNESS": "BIG"},
        {"transform": TURNED},
    ],
)
def test_geotiffs_are_known_by_their_tags(tmp_path, georeference, monkeypatch):
    monkeypatch.setattr("nirgan.inference.geotiff.reader.is_georeferenced", lambda path: False)
    assert is_geotiff(save(tmp_path / "a.tif", scene(9, 9), **georeference))
    assert not is_geotiff(save(tmp_path / "b.tif", scene(9, 9)))


@pytest.mark.posix
def test_other_and_damaged_files_are_no_geotiffs(tmp_path):
    good = save(tmp_path / "a.tif", scene(9, 9), crs="EPSG:4326").read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "b.tif"
    (tmp_path / "b.tfw").write_text("1\n0\n0\n1\n0\n0\n")
    for content in (
        b"",
        b"II",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"II+\0\x08\0\0\0" + b"\xff" * 8,
        b"\x89PNG\r\n\x1a\n",
    ):
        path.write_bytes(content)
        assert not is_geotiff(path)
    for _ in range(300):
        content = bytearray(good[: rng.integers(len(good))])
        content[4:8] = rng.bytes(4) if rng.random() < 0.5 else content[4:8]
        path.write_bytes(content)
        is_geotiff(path)  # raises nothing, whatever it says
    os.mkfifo(tmp_path / "pipe.tif")
    waiting = Thread(target=is_geotiff, args=[tmp_path / "pipe.tif"], daemon=True)
    waiting.start()
    waiting.join(10)
    assert not waiting.is_alive()
    assert not is_geotiff(tmp_path)
    assert not is_geotiff(tmp_path / "missing.tif")
    shutil.copy(tmp_path / "a.tif", tmp_path / "c.png")
    assert is_geotiff(tmp_path / "c.png")
