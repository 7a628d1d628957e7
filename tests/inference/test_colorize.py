"""The verb `colorize`, as a person uses it."""

import os

import cv2
import numpy as np
import pytest
import torch
from bad_inputs import bad_inputs
from PIL import Image
from torch import nn

from nirgan.cli import main
from nirgan.errors import named
from nirgan.inference.loading import load
from nirgan.inference.saved import write_model
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
    assert "3 in colour" in capsys.readouterr().out
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
    assert "a.png: no channel 5; --band is 1 to 3 here" in capsys.readouterr().err


def test_bad_ones_are_told_at_the_end_and_hold_up_nothing(shots, model, capsys):
    (shots / "bad.png").write_bytes(b"no picture")
    (shots / "night/cut.jpg").write_bytes((shots / "night/b.jpg").read_bytes()[:300])
    status, out = colorize(shots, model)
    assert status == 1
    assert sum(f.is_file() for f in out.rglob("*")) == 3
    told = capsys.readouterr().err
    assert "2 could not be used:" in told
    assert [name in told for name in ("bad.png", "cut.jpg", "a.png")] == [True, True, False]


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
    refused = {file for file in taken if any(line.startswith(named(file)) for line in told)}
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
    expected = load(model).uncertainty(nir[None])[1][0]
    assert np.allclose(degrees, expected, atol=1e-3)
    assert expected.max() > 0.1


def test_twelve_bits_are_hinted_at(shots, model, capsys):
    cv2.imwrite(str(shots / "dark.png"), RAMP)
    assert colorize(shots / "dark.png", model)[0] == 0
    assert "--scale 0,4095" in capsys.readouterr().err


def test_a_model_that_is_not_there(shots, capsys):
    assert colorize(shots, shots / "no.ckpt")[0] == 2
    assert "no such model" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["scale=5", "largest=0", "band=0", "depth=12", "tile=0"])
def test_options_that_cannot_be(shots, model, option, capsys):
    assert colorize(shots, model, f"--{option}")[0] == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert option.partition("=")[0] in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(shots, model, capsys):
    (shots.parent / "out").mkdir(mode=0o500)
    assert colorize(shots, model)[0] == 1
    assert "cannot be written" in capsys.readouterr().err
