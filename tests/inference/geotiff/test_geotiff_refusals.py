"""Rasters that cannot be used, and places that cannot be written."""

from pathlib import Path

import numpy as np
import pytest

from nirgan.data.scaling import Scale
from nirgan.errors import NirganError
from nirgan.inference.geotiff.colorize import colorize_geotiff

rasterio = pytest.importorskip("rasterio")
from rasters import Smooth, save, scene  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def refused(source, *words, scale="dtype", **options):
    target = source.parent / "out" / "x.tif"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(b"former")
    with pytest.raises(NirganError) as caught:
        colorize_geotiff(Smooth(), source, target, Scale.parse(scale), **options)
    for word in (str(source), *words):
        assert word in str(caught.value)
    assert target.read_bytes() == b"former"
    assert [p.name for p in target.parent.iterdir()] == ["x.tif"]


@pytest.mark.parametrize("band", [0, 4])
def test_a_band_that_is_not_there_names_those_that_are(tmp_path, band):
    source = save(tmp_path / "a.tif", np.stack([scene(20, 30)] * 3), photometric="minisblack")
    with rasterio.open(source, "r+") as dataset:
        dataset.descriptions = ("red\nedge", "NIR", None)
    refused(source, f"no band {band}", "--band", "2 (NIR)", "red edge", "3 (", band=band)


def test_bands_that_are_no_measurement_are_refused(tmp_path):
    refused(save(tmp_path / "a.tif", np.ones((20, 30), np.complex64)), "complex")
    palette = save(tmp_path / "b.tif", np.ones((20, 30), np.uint8), photometric="palette")
    with rasterio.open(palette, "r+") as dataset:
        dataset.write_colormap(1, {0: (0, 0, 0, 255), 1: (9, 8, 9, 255)})
    refused(palette, "palette")


@pytest.mark.parametrize("layout", [{"compress": "deflate"}, {}])
def test_damaged_blocks_are_named(tmp_path, layout, capfd):
    noise = np.random.default_rng(0).integers(0, 65535, (300, 300)).astype(np.uint16)
    whole = save(tmp_path / "whole.tif", noise, **layout)
    source = tmp_path / "a.tif"
    source.write_bytes(whole.read_bytes()[:150_000])
    refused(source, "rows", "columns", "damaged", scale="0,65535")


def test_a_name_is_no_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "http:a.tif", scene(20, 30))
    source, target = Path("http:a.tif"), Path("http:b.tif")
    colorize_geotiff(Smooth(), source, target, Scale(), uncertainty=Path("zip:c.tif"))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["http:a.tif", "http:b.tif", "zip:c.tif"]


def test_no_tiff_at_all(tmp_path):
    source = tmp_path / "a.tif"
    source.write_bytes(b"II*\0")
    refused(source, "not a readable GeoTIFF")
    refused(tmp_path / "missing.tif", "not a readable GeoTIFF")


@pytest.mark.posix
def test_a_disk_that_fills_up_leaves_nothing(tmp_path, monkeypatch, capfd):
    import resource
    import signal

    noise = np.random.default_rng(0).integers(0, 65535, (128, 128)).astype(np.uint16)
    source = save(tmp_path / "a.tif", noise, blockysize=5, compress="deflate")
    colorize_geotiff(Smooth(), source, tmp_path / "out.tif", Scale())
    size = (tmp_path / "out.tif").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for limit in (0, 1000, size // 2, size - 1):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            with pytest.raises(NirganError, match="cannot be written"):
                colorize_geotiff(Smooth(), source, tmp_path / "full.tif", Scale())
            assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tif", "out.tif"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, former)
