"""The verb `colorize`, as a person uses it."""

import signal

import cv2
import numpy as np
import pytest
import tifffile
import torch
from bad_inputs import bad_inputs
from PIL import Image
from torch import nn

from nirgan.cli.main import main
from nirgan.errors import printable_path
from nirgan.inference import colorizer
from nirgan.inference.batch import pipeline
from nirgan.inference.load import load
from nirgan.inference.models.pretrained import write_model
from nirgan.inference.uncertainty import expected_error
from nirgan.networks.generators.compact import Compact

RAMP = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    generator = Compact(widths=(4, 6))
    nn.init.normal_(generator.last.weight, std=0.5)
    folder = tmp_path_factory.mktemp("model") / "tiny"
    path = "nirgan.networks.generators.compact.Compact"
    described = {"class_path": path, "init_args": {"widths": [4, 6]}}
    write_model(folder, generator.eval(), {"name": "tiny", "generator": described}, card=None)
    return folder


@pytest.fixture
def shots(tmp_path):
    folder = tmp_path / "shots"
    (folder / "night").mkdir(parents=True)
    cv2.imwrite(str(folder / "a.png"), (RAMP % 256).astype(np.uint8))
    cv2.imwrite(str(folder / "night/b.jpg"), (RAMP // 12).astype(np.uint8))
    cv2.imwrite(str(folder / "night/c.tif"), RAMP * 21)
    return folder


def colorize(shots, model, *options):
    out = shots.parent / "out"
    return main(["colorize", str(shots), f"--output={out}", f"--model={model}", *options]), out


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1]


def test_a_folder(shots, model, capsys):
    status, out = colorize(shots, model)
    assert status == 0
    files = sorted(str(f.relative_to(out)) for f in out.rglob("*") if f.is_file())
    assert files == ["a.png", "night/b.jpg", "night/c.tif"]
    assert "3 colorized, in" in capsys.readouterr().out
    colorizer = load(model)
    assert np.array_equal(read(out / "a.png"), colorizer((RAMP % 256).astype(np.uint8)))
    assert np.array_equal(read(out / "night/c.tif"), colorizer(RAMP * 21))
    assert "tiny" in Image.open(out / "a.png").text["Description"]


def test_a_channel_is_chosen_or_its_choice_is_told(tmp_path, model, capsys):
    shots = tmp_path / "shots"
    shots.mkdir()
    grey = (RAMP % 256).astype(np.uint8)
    stamped = np.dstack([grey] * 3)
    stamped[-2:, :40] = (0, 128, 255)  # OpenCV's order
    cv2.imwrite(str(shots / "a.png"), stamped)
    status, out = colorize(shots, model)
    assert status == 0
    assert "a.png: channels that differ by" in capsys.readouterr().err
    colorizer = load(model)
    assert np.array_equal(read(out / "a.png"), colorizer(stamped[..., 1]))
    for band in (1, 3):
        status, _ = colorize(shots, model, f"--band={band}", "--overwrite")
        assert (status, capsys.readouterr().err) == (0, "")
        assert np.array_equal(read(out / "a.png"), colorizer(stamped[..., 3 - band]))
    assert colorize(shots, model, "--band=5", "--overwrite")[0] == 1
    assert "a.png: no band 5, of the 3 that there are" in capsys.readouterr().err


def test_bad_ones_are_told_at_the_end_and_hold_up_nothing(shots, model, capsys):
    (shots / "bad.png").write_bytes(b"no picture")
    (shots / "night/cut.jpg").write_bytes((shots / "night/b.jpg").read_bytes()[:300])
    status, out = colorize(shots, model)
    assert status == 1
    assert sum(f.is_file() for f in out.rglob("*")) == 3
    told = capsys.readouterr().err
    assert "2 could not be used:" in told
    assert [name in told for name in ("bad.png", "cut.jpg", "a.png")] == [True, True, False]


@pytest.mark.posix
def test_of_all_that_people_hand_over_each_is_made_or_told(tmp_path, model, capfd):
    shots = tmp_path / "shots"
    shots.mkdir()
    bad_inputs(shots)
    status, out = colorize(shots, model, "--largest=1")
    lines = capfd.readouterr().err.partition("could not be used:\n")[2].splitlines()
    told = [line.strip() for line in lines if line.startswith("  ")]
    suffixes = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
    taken = {f for f in shots.iterdir() if f.suffix.lower() in suffixes and f.name[0] != "."}
    taken = {f for f in taken if f.is_symlink() or not f.is_dir()}
    made = {file for file in taken if (out / file.name).is_file()}
    refused = {
        file for file in taken if any(line.startswith(printable_path(file)) for line in told)
    }
    assert made | refused == taken
    assert not made & refused
    assert len(made) > 20
    assert len(refused) > 40
    assert len(told) == len(refused)
    assert status == 1
    assert not list(out.rglob("*.part*"))


def test_what_is_there_stays_unless_asked(shots, model, capsys):
    _, out = colorize(shots, model)
    (out / "a.png").write_bytes(b"mine")
    assert colorize(shots, model)[0] == 0
    assert (out / "a.png").read_bytes() == b"mine"
    assert "3 left as they are" in capsys.readouterr().out
    assert colorize(shots, model, "--overwrite")[0] == 0
    assert read(out / "a.png").shape == (48, 64, 3)


def test_options_of_reading_and_writing(shots, model):
    status, out = colorize(shots / "night", model, "--scale=0,255", "--format=png", "--depth=16")
    assert status == 0
    assert read(out / "c.png").dtype == np.uint16
    assert read(out / "b.png").dtype == np.uint16
    assert np.array_equal(read(out / "c.png"), load(model)(RAMP * 21, scale="0,255"))


def test_uncertainty(shots, model):
    status, out = colorize(shots / "a.png", model, "--uncertainty")
    assert status == 0
    degrees = cv2.imread(str(out / "a.png.uncertainty.tif"), cv2.IMREAD_UNCHANGED)
    nir = torch.from_numpy((RAMP % 256).astype(np.float32) / 255)
    expected = expected_error(load(model).colorize_bands(nir[None]))[0]
    assert np.allclose(degrees, expected, atol=1e-3)
    assert expected.max() > 0.1


def test_what_cannot_be_written_is_refused_before_any_work(shots, model, capsys):
    cv2.imwrite(str(shots / "long.png"), np.zeros((1, 65_501), np.uint8))
    status, out = colorize(shots / "long.png", model, "--uncertainty", "--format=jpg")
    assert (status, out.exists()) == (1, False)
    assert "long.jpg: a JPEG cannot be longer than 65500" in capsys.readouterr().err


def test_twelve_bits_are_hinted_at(shots, model, capsys):
    cv2.imwrite(str(shots / "dark.png"), RAMP)
    assert colorize(shots / "dark.png", model)[0] == 0
    assert "--scale 0,4095" in capsys.readouterr().err


def test_signed_values_are_scaled_by_what_is_white_in_their_type(tmp_path, model, capsys):
    signed = (RAMP * 3).astype(np.int16)
    tifffile.imwrite(tmp_path / "a.tif", signed)
    status, out = colorize(tmp_path / "a.tif", model)
    assert status == 0
    assert "--scale 0,10000" in capsys.readouterr().err
    nir = torch.from_numpy(signed.astype(np.float32) / 32767)
    colors = load(model).colorize_bands(nir[None])[0].permute(1, 2, 0).numpy() * 65535
    assert np.abs(tifffile.imread(out / "a.tif") - colors).max() <= 1


@pytest.mark.parametrize("large", [1, 10**9])
def test_large_pictures_are_read_one_at_a_time(shots, model, monkeypatch, large):
    """Each while the one before is made, and none ahead of that."""
    for n in range(6):
        cv2.imwrite(str(shots / f"z{n}.png"), (RAMP % 256).astype(np.uint8))
    asked, made, most = [], [], []
    submit, settled = pipeline.read, colorizer.write
    monkeypatch.setattr(pipeline, "LARGE_FILE_BYTES", large)
    monkeypatch.setattr(pipeline, "LARGE_PICTURE_PIXELS", large)
    monkeypatch.setattr(pipeline, "read", lambda *a: asked.append(a) or submit(*a))
    monkeypatch.setattr(
        colorizer,
        "write",
        lambda *a, **k: (settled(*a, **k), most.append(len(asked) - len(made)), made.append(a)),
    )
    assert colorize(shots, model)[0] == 0
    assert len(made) == 9
    assert max(most) <= 2 if large == 1 else max(most) > 2


@pytest.mark.parametrize(
    "option", ["scale=5", "largest=0", "band=0", "depth=12", "tile=0", "output=a.jpg", "output="]
)
def test_options_that_cannot_be(shots, model, option, capsys):
    assert colorize(shots, model, f"--{option}")[0] == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert option.partition("=")[0] in message


def test_an_empty_input_is_not_the_working_folder(shots, model, capsys):
    assert main(["colorize", "", f"--output={shots.parent}/out", f"--model={model}"]) == 2
    assert "is a variable of the shell not set?" in capsys.readouterr().err


def test_other_signals_end_as_ctrl_c_does(shots, model, capsys, monkeypatch):
    monkeypatch.setattr(pipeline, "run_jobs", lambda *_: signal.raise_signal(signal.SIGTERM))
    handler = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        assert colorize(shots, model)[0] == 128 + signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert capsys.readouterr().err.endswith("nirgan colorize: interrupted\n")


@pytest.mark.parametrize(("name", "words"), [("a.m4v", "renamed to .mp4"), ("a.PT2", "--model")])
def test_a_video_of_another_name_or_a_program_is_no_picture(shots, model, name, words, capsys):
    (shots / name).write_bytes(b"PK\x03\x04")
    assert colorize(shots / name, model)[0] == 1
    _, line = capsys.readouterr().err.splitlines()
    assert line.startswith(f"  {shots / name}: ")
    assert words in line
    (shots / "a.png").replace(shots / name)  # what is in a file counts more than its name
    assert colorize(shots / name, model, "--format=png")[0] == 0


@pytest.mark.parametrize("option", ["format=png", "depth=16"])
def test_options_that_no_file_would_get(shots, model, option, capsys):
    (shots / "clip.mp4").write_bytes(b"")
    status, out = colorize(shots / "clip.mp4", model, f"--{option}")
    assert (status, out.exists()) == (2, False)
    (message,) = capsys.readouterr().err.splitlines()
    assert "is for pictures" in message
    status, out = colorize(shots, model, f"--{option}")
    assert status == 1  # pictures get it, and the clip is none
    assert len(list(out.iterdir())) == len(list(shots.iterdir())) - 1


@pytest.mark.parametrize(("kind", "status"), [("tif", 0), ("png", 2)])
def test_a_geotiff_stays_one(tmp_path, model, kind, status, capsys):
    pytest.importorskip("rasterio", reason="rasters need rasterio: pip install 'nirgan[geo]'")
    no_data = [(42113, "s", 0, "0", True)]  # by which it counts as a GeoTIFF
    tifffile.imwrite(tmp_path / "scene.tif", RAMP, extratags=no_data)
    assert colorize(tmp_path / "scene.tif", model, f"--format={kind}")[0] == status
    assert ("videos and GeoTIFFs keep theirs" in capsys.readouterr().err) == bool(status)


@pytest.mark.parametrize("name", ["a" * 244 + ".png", "plain"])
def test_names_without_room_for_more_or_without_a_suffix(name, tmp_path, model, capsys):
    (tmp_path / "shots").mkdir()
    cv2.imwrite(str(tmp_path / "a.png"), (RAMP % 256).astype(np.uint8))
    source = (tmp_path / "a.png").rename(tmp_path / "shots" / name)
    status, _ = colorize(source, model, "--format=png", f"--output={tmp_path}/o")
    assert (status, capsys.readouterr().err) == (0, "")
