"""Rasters of four bands as pairs: which bands, which pixels, which scenes."""

import json
import os
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image

rasterio = pytest.importorskip("rasterio")
from rasterio.enums import ColorInterp, Resampling  # noqa: E402
from rasterio.transform import Affine  # noqa: E402

from nirgan.cli.main import main  # noqa: E402
from nirgan.data.data_snapshot import DataSnapshot  # noqa: E402
from nirgan.data.datamodule import PatchDataModule  # noqa: E402
from nirgan.data.leaks import refuse_leaks  # noqa: E402
from nirgan.data.rasters import raster as rasters  # noqa: E402
from nirgan.data.rasters import tiles  # noqa: E402
from nirgan.data.rasters.bands import Bands  # noqa: E402
from nirgan.data.scaling import Limits  # noqa: E402
from nirgan.data.sources.base import pairs_of  # noqa: E402
from nirgan.data.sources.folder import Folder  # noqa: E402
from nirgan.data.sources.rgbn import Rgbn  # noqa: E402
from nirgan.data.store import PairStore  # noqa: E402
from nirgan.errors import NirganError  # noqa: E402
from nirgan.metrics import AngularError  # noqa: E402

NAMES = ("red", "green", "blue", "near infrared")


def ground(x, y, size=(300, 400), pixel=1.0):
    """Four bands, uint16 from 1 to 4000, that depend on the place in meters alone."""
    rows = y - (np.arange(size[0])[:, None] + 0.5) * pixel
    columns = x + (np.arange(size[1]) + 0.5) * pixel
    waves = [np.sin(rows / (9 + n)) + np.cos(columns / (7 + n)) for n in range(4)]
    return np.stack([(1 + (2 + wave) / 4 * 3999).astype(np.uint16) for wave in waves])


def save(path, bands, x=0.0, y=0.0, pixel=1.0, crs="EPSG:32611", names=NAMES, **options):
    count, height, width = bands.shape
    place = {"crs": crs, "transform": Affine(pixel, 0, x, 0, -pixel, y)} if crs else {}
    kind = {"driver": "GTiff", "dtype": bands.dtype, "count": count}
    with rasterio.open(path, "w", height=height, width=width, **kind, **place, **options) as file:
        file.write(bands)
        for number, name in enumerate(names or (), 1):
            file.set_band_description(number, name)
    return path


def pixels_of(pair):
    nir, rgb = pair.load()
    return np.dstack([rgb, nir])


def test_tiles_hold_the_pixels_of_their_place_and_no_other_copy(tmp_path):
    bands = ground(0, 0)
    path = save(tmp_path / "a.tif", bands, tiled=True, blockxsize=64, blockysize=64)
    pairs = Rgbn(str(path), tile=150).pairs()
    assert len(pairs) == 6  # 300 x 400 in tiles of 150 x 133
    seen = np.zeros(bands.shape[1:], int)
    for pair in pairs:
        seen[pair.window.inner] += 1
        part = bands[:, *pair.window.inner]
        assert np.array_equal(pixels_of(pair), np.moveaxis(part, 0, 2))
        assert pair.in_place().shape == (*pair.window.shape, 4)
        assert np.array_equal(pair.in_place()[3:20:2, 5:60], np.moveaxis(part, 0, 2)[3:20:2, 5:60])
    assert (seen == 1).all()
    store = tmp_path / "store"
    module = PatchDataModule(
        Rgbn(str(path), tile=150), train_patches=12, val_patches=6, batch_size=4, store=store
    )
    module.prepare_data()
    module.setup()
    batch = next(iter(module.train_dataloader()))
    assert batch["pixels"].shape == (4, 64, 64, 4)
    assert batch["pixels"].dtype == torch.uint16
    assert list(store.iterdir()) == []


@pytest.mark.parametrize(
    ("kinds", "names", "asked", "expected"),
    [
        ((), ("NIR", "Red", "red edge", "Green", "blue"), None, (2, 4, 5, 1)),
        (
            (ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.nir),
            (),
            None,
            (3, 2, 1, 4),
        ),
        ((), ("B2", "B3", "B4", "B8"), ["B4", "B3", "B2", "B8"], (3, 2, 1, 4)),
        (
            (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha),
            (),
            [1, 2, 3, 4],
            (1, 2, 3, 4),
        ),
    ],
)
def test_which_band_is_which(tmp_path, kinds, names, asked, expected):
    count = len(names) or 4
    path = save(tmp_path / "a.tif", np.ones((count, 130, 130), np.uint8), names=names)
    if kinds:
        with rasterio.open(path, "r+") as file:
            file.colorinterp = kinds
    assert rasters.choose_bands(path, asked) == expected


@pytest.mark.parametrize(
    ("names", "asked", "message"),
    [
        (("red", "green", "blue", ""), None, r"no band nir, of the 4 .*4 \(.*\); .*\[1, 2, 3, 4\]"),
        (("red", "red", "green", "nir"), None, "more than one band red"),
        (NAMES, [1, 2, 3, 5], "no band 5, of the 4"),
        (NAMES, [1, 2, 3, 3], "a second time band 3"),
    ],
)
def test_bands_that_are_not_told_apart_are_listed(tmp_path, names, asked, message):
    path = save(tmp_path / "a.tif", np.ones((4, 130, 130), np.uint8), names=names)
    with pytest.raises(NirganError, match=message):
        Rgbn(str(path), asked).pairs()


@pytest.mark.parametrize("how", ["value", "mask", "alpha", "nan"])
def test_no_data_are_in_no_tile(tmp_path, how, monkeypatch):
    monkeypatch.setenv("NIRGAN_CACHE", str(tmp_path / "cache"))
    bands = ground(0, 0).astype(np.float32 if how == "nan" else np.uint16)
    hole = np.zeros(bands.shape[1:], bool)
    hole[100:140, 290:] = True
    path, options = tmp_path / "a.tif", {}
    if how == "nan":
        bands = bands / 4000
        bands[2, hole] = np.nan
    if how == "value":
        bands[1, hole], options["nodata"] = 0, 0
    if how == "alpha":
        bands = np.concatenate([bands, np.where(hole, 0, 65535)[None].astype(np.uint16)])
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        save(path, bands, names=(*NAMES, "alpha")[: len(bands)], **options)
        with rasterio.open(path, "r+") as file:
            if how == "mask":
                file.write_mask(~hole)
            if how == "alpha":
                file.colorinterp = (*[ColorInterp.gray] * 4, ColorInterp.alpha)
    pairs = Rgbn(str(path), tile=300).pairs()
    windows = [pair.window for pair in pairs]
    assert len(windows) == 1
    assert not hole[windows[0].inner].any()
    assert windows[0].shape == (296, 288)  # 300 x 290 in cells of 8, left of the hole
    monkeypatch.setattr(Bands, "data", lambda *_: pytest.fail("looked at again"))
    assert [pair.window for pair in Rgbn(str(path), tile=300).pairs()] == windows


def test_where_holes_are_is_kept_in_the_store(tmp_path, monkeypatch):
    monkeypatch.setenv("NIRGAN_CACHE", str(tmp_path / "cache"))
    bands = ground(0, 0)
    bands[:, 100:140, 290:] = 0
    path = save(tmp_path / "a.tif", bands, nodata=0)
    PatchDataModule(Rgbn(str(path), tile=300), store=tmp_path / "store").prepare_data()
    assert not (tmp_path / "cache").exists()
    assert len(list((tmp_path / "store").glob("*.tiles.json"))) == 1


def test_percentiles_leave_masked_pixels_out(tmp_path):
    bands = ground(0, 0, (256, 256))
    hidden = np.zeros(bands.shape[1:], bool)
    hidden[:, 200:] = True
    bands[:, hidden] = 60000
    path = save(tmp_path / "a.tif", bands)
    source = Rgbn(str(path), nir_scale="percentile:0,100", rgb_scale="percentile:0,100")
    (before,) = source.pairs()
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(~hidden)
    (after,) = source.pairs()
    assert before.raster.limits[1].high == 60000
    assert after.raster.limits[1].high == bands[3][~hidden].max()


def test_the_largest_rectangle():
    rng = np.random.default_rng(0)
    for _ in range(30):
        cells = rng.random((7, 9)) < 0.8
        found = tiles.largest_rectangle(cells)
        assert cells[found.inner].all()
        best = max(
            (b - t) * (r - s)
            for t, b in combinations(range(8), 2)
            for s, r in combinations(range(10), 2)
            if cells[t:b, s:r].all()
        )
        assert np.prod(found.shape) == best


@pytest.mark.parametrize(
    ("dtype", "scale", "expected"),
    [
        (np.uint16, "0,10000", lambda v: np.round(v / 10000 * 65535).astype(np.uint16)),
        (np.int16, "0,4095", lambda v: np.round(v / 4095 * 65535).clip(0, 65535).astype(np.uint16)),
        (np.float32, "0,4000", lambda v: (v / 4000).astype(np.float32)),
    ],
)
def test_scales_of_values(tmp_path, dtype, scale, expected):
    bands = ground(0, 0, (130, 140)).astype(dtype)
    path = save(tmp_path / "a.tif", bands)
    (pair,) = Rgbn(str(path), nir_scale=scale, rgb_scale=scale).pairs()
    wanted = expected(np.moveaxis(bands, 0, 2).astype(np.float64))
    found = pixels_of(pair)
    assert found.dtype == pair.in_place().dtype
    np.testing.assert_allclose(found, wanted, atol=1 if found.dtype == np.uint16 else 1e-6)


@pytest.mark.parametrize(
    ("dtype", "options", "message"),
    [
        (np.uint8, {"nir_scale": "0,4095"}, "its values end at 255, but source.nir_scale says"),
        (np.int16, {"nir_scale": "0,4095"}, "values of type int16.*source.rgb_scale LOW,HIGH"),
        (np.float32, {}, r"float values from .* expected \[0, 1\].*source.rgb_scale LOW,HIGH"),
    ],
)
def test_values_that_a_scale_does_not_fit_are_refused_at_once(tmp_path, dtype, options, message):
    path = save(tmp_path / "a.tif", ground(0, 0, (130, 140)).astype(dtype))
    with pytest.raises(NirganError, match=message):
        Rgbn(str(path), **options).pairs()


def test_an_empty_list_of_files_is_one_line():
    with pytest.raises(NirganError, match=r"Rgbn has no pairs \(files=\[\]"):
        pairs_of(Rgbn([]))


def test_rasters_that_overlap_are_one_scene(tmp_path):
    save(tmp_path / "a.tif", ground(0, 0), 0, 0)
    save(tmp_path / "b.tif", ground(300, 0), 300, 0)  # overlaps a
    save(tmp_path / "c.tif", ground(600, 0, pixel=0.5), 600, 0, 0.5)  # overlaps b, not a
    save(tmp_path / "d.tif", ground(5000, 0), 5000, 0)
    save(tmp_path / "e.tif", ground(5400, 0), 5400, 0)  # touches d
    left, bottom, *_ = rasterio.warp.transform_bounds(
        "EPSG:32611", "EPSG:4326", 100, -200, 101, -199
    )
    save(tmp_path / "f.tif", ground(0, 0), left, bottom, 1e-5, crs="EPSG:4326")  # within a
    save(tmp_path / "g.tif", ground(0, 0), crs=None)
    scenes = {pair.id.partition("/")[0]: pair.scene for pair in Rgbn(str(tmp_path)).pairs()}
    assert scenes == {"a": "a", "b": "a", "c": "a", "d": "d", "e": "e", "f": "a", "g": "g"}


def test_blocks_are_places_with_a_gap_between(tmp_path):
    save(tmp_path / "a.tif", ground(-500, 700, (1000, 1200)), -500, 700)
    save(tmp_path / "b.tif", ground(100, 300, (500, 900)), 100, 300)
    pairs = Rgbn(str(tmp_path), scenes="blocks", tile=128, block=400, gap=40).pairs()
    blocks = {}
    for pair in pairs:
        x, y = np.array(pair.footprint().bounds).reshape(2, 2).T
        cells = np.floor(x[0] / 400), np.floor(y[0] / 400)
        for axis, cell in zip((x, y), cells, strict=True):
            assert np.all((axis - cell * 400 >= 20) & (axis - cell * 400 <= 380))
        blocks.setdefault(pair.scene, set()).add(cells)
        assert np.array_equal(
            pixels_of(pair), np.moveaxis(ground(x[0], y[1], pair.window.shape), 0, 2)
        )
    assert all(len(cells) == 1 for cells in blocks.values())
    assert {p.scene for p in pairs if p.id[0] == "a"} & {p.scene for p in pairs if p.id[0] == "b"}
    module = PatchDataModule(
        Rgbn(str(tmp_path), scenes="blocks", tile=128, block=400, gap=40), protocol="across-scenes"
    )
    module.setup()
    refuse_leaks(module)


def test_blocks_of_two_reference_systems_that_overlap_are_refused(tmp_path):
    save(tmp_path / "a.tif", ground(0, 0), 0, 0)
    left, bottom, *_ = rasterio.warp.transform_bounds("EPSG:32611", "EPSG:4326", 0, 0, 1, 1)
    save(tmp_path / "b.tif", ground(0, 0), left, bottom, 1e-5, crs="EPSG:4326")
    with pytest.raises(NirganError, match="same ground in different reference systems"):
        Rgbn(str(tmp_path), scenes="blocks", tile=128, block=300, gap=0).pairs()


def test_reference_systems_that_do_not_convert_are_refused(tmp_path):
    save(tmp_path / "a.tif", ground(0, 0), 0, 0)
    save(tmp_path / "b.tif", ground(0, 0), 0, 0, crs='LOCAL_CS["mine",UNIT["metre",1]]')
    with pytest.raises(NirganError, match=r"b\.tif: .*mine.* does not convert to EPSG:32611"):
        Rgbn(str(tmp_path)).pairs()


def test_a_source_that_divides_a_place_is_refused(tmp_path):
    save(tmp_path / "a.tif", ground(0, 0), 0, 0)
    save(tmp_path / "b.tif", ground(300, 0), 300, 0)
    module = PatchDataModule(Rgbn(str(tmp_path), tile=200))
    module.setup()
    with pytest.raises(NirganError, match=r"ground/.* same ground; use across-scenes, or remove"):
        refuse_leaks(module)  # within-images: a band of one may be trained on in the other


def test_overviews_and_vrts_of_single_bands(tmp_path):
    bands = ground(0, 0)
    path = save(tmp_path / "cog.tif", bands, tiled=True, blockxsize=128, blockysize=128)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], Resampling.average)
    parts = [save(tmp_path / f"{n}.tif", band[None], names=None) for n, band in enumerate(bands)]
    text = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{n}"><Description>{name}</Description>'
        "<SimpleSource>"
        f'<SourceFilename relativeToVRT="1">{part.name}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand>"
        for n, (name, part) in enumerate(zip(NAMES, parts, strict=True), 1)
    )
    vrt = tmp_path / "all.vrt"
    vrt.write_text(f'<VRTDataset rasterXSize="400" rasterYSize="300">{text}</VRTDataset>')
    (whole,), (same,) = (Rgbn(str(file), tile=512).pairs() for file in (path, vrt))
    assert np.array_equal(pixels_of(whole), np.moveaxis(bands, 0, 2))
    assert np.array_equal(pixels_of(whole), pixels_of(same))
    before, stored = same.content(), PairStore(tmp_path / "store").build([whole, same])
    snapshot = DataSnapshot(stored)
    for touched in (path, vrt, parts[2]):
        os.utime(touched, (1, 1))
    assert snapshot.damage() is None
    assert stored.unchanged(1)
    save(parts[2], bands[2:3] + 1, names=None)
    (anew,) = Rgbn(str(vrt), tile=512).pairs()
    assert anew.content() == same.content() != before
    assert np.array_equal(pixels_of(anew)[..., 2], bands[2] + 1)
    assert not stored.unchanged(1)
    assert snapshot.damage().startswith(f"{vrt}: the stored pair ground/all/0-0 was changed")


def test_a_copy_has_the_same_content_and_damage_is_named(tmp_path):
    path = save(tmp_path / "a.tif", ground(0, 0), compress="deflate")
    copied = shutil.copy(path, tmp_path / "b.tif")
    (one,), (other,) = (Rgbn(str(file)).pairs() for file in (path, copied))
    assert one.content() == other.content()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NirganError, match="a.tif: (not a readable GeoTIFF|damaged within rows)"):
        Rgbn(str(path)).pairs()[0].load()
    (tmp_path / "c.txt").write_text("no raster")
    with pytest.raises(NirganError, match=r"c\.txt: not a readable GeoTIFF or VRT"):
        Rgbn(str(tmp_path / "c.txt")).pairs()
    with pytest.raises(NirganError, match="no GeoTIFF or VRT in"):
        Rgbn(str(tmp_path / "*.jp2")).pairs()


@pytest.mark.parametrize("name", ["a.png", "a.tif", "minisblack.tif"])
def test_files_of_four_channels_are_pairs(tmp_path, name):
    bands = (ground(0, 0, (130, 140)) // 16).astype(np.uint8)
    if name == "a.png":
        Image.fromarray(np.moveaxis(bands, 0, 2)).save(tmp_path / name)
    else:
        photometric = "rgb" if name == "a.tif" else "minisblack"
        save(tmp_path / name, bands, names=None, photometric=photometric)
    (pair,) = Folder(str(tmp_path / "*.*")).pairs()
    assert np.array_equal(pixels_of(pair), np.moveaxis(bands, 0, 2))
    three = tmp_path / "three.png"
    Image.fromarray(np.moveaxis(bands[:3], 0, 2)).save(three)
    with pytest.raises(NirganError, match=r"three\.png: no band 4, of the 3 that there are"):
        Folder(str(tmp_path / "three*")).pairs()[0].load()
    scaled = Folder(str(tmp_path / f"*{name}"), nir_scale="0,100").pairs()[0]
    assert np.array_equal(scaled.load()[0], Limits(0, 100).to_stored(bands[3]))


def test_what_colorize_makes_of_a_raster_is_what_was_judged(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIRGAN_CACHE", str(tmp_path / "cache"))
    Path("rasters").mkdir()
    for number in range(5):
        bands = ground(1000 * number, 0, (160, 200)).astype(np.int16)
        save(f"rasters/{number}.tif", bands, 1000.0 * number, 0)
    scales = {"nir_scale": "0,4095", "rgb_scale": "0,4095"}
    options = [f"source.{key}={value}" for key, value in scales.items()]
    check = ["check", "--source=Rgbn", "--source.files=rasters", *(f"--{o}" for o in options)]
    assert main(check) == 0
    assert "ground             5     0 " in capsys.readouterr().out
    model = [f"--config={ROOT}/conf/rgbn.yaml", f"--model={ROOT}/conf/model/nir_table.yaml"]
    few = ["--trainer.precision=32-true", "--data.val_patches=16"]
    assert main(["fit", *model, *few, *(f"--data.{o}" for o in options)]) == 0
    (checkpoint,) = Path("runs").rglob("last.ckpt")
    run = checkpoint.parent.parent
    assert main(["test", f"--config={run}/config.yaml", f"--ckpt_path={checkpoint}"]) == 0
    judged = json.loads((run.parent / "version_1/results.json").read_text())["rows"]["rgbn"]

    module = PatchDataModule(Rgbn("rasters", **scales), "across-scenes")
    module.setup()
    (tile,) = (module.pairs[region.pair] for region in module.validation)
    out = ["--output=out", f"rasters/{tile.scene}.tif"]
    assert main(["colorize", f"--model={checkpoint}", "--band=4", *out]) == 0
    with rasterio.open(f"out/{tile.scene}.tif") as file:
        output, truth = file.read([1, 2, 3]), np.moveaxis(tile.load()[1], 2, 0)
    unit = [torch.from_numpy(x.astype(np.float32) / 65535)[None] for x in (output, truth)]
    assert output.dtype == np.uint16
    assert judged["angular_error"] == pytest.approx(AngularError()(*unit).item(), rel=1e-3)
