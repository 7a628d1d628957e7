"""What of camera values is black and white in training, told with what was trained."""

import json
import re

import numpy as np
import pytest
import tifffile
import torch
from conftest import ROOT

from nirgan.cli.main import main
from nirgan.data.images import DTYPE_SCALE, read_nir, read_rgb
from nirgan.data.scaling import Scale
from nirgan.data.sources.folder import Folder
from nirgan.data.store import PairStore
from nirgan.errors import NirganError
from nirgan.experiment.lightning_cli import fit
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.export.program import metadata_of
from nirgan.inference.load import load
from nirgan.inference.models.pretrained import read_model

UNIT = np.kron(np.random.default_rng(0).random((12, 16)), np.ones((8, 8)))


@pytest.fixture
def twelve(tmp_path):
    """12 bits of a camera in 16."""
    for number in range(3):
        unit = np.roll(UNIT, number, 0)
        colors = np.dstack([unit, unit**2, unit**0.5])
        tifffile.imwrite(tmp_path / f"{number}_nir.tif", (unit * 4095).astype("u2"))
        tifffile.imwrite(
            tmp_path / f"{number}_rgb.tif", (colors * 4095).astype("u2"), photometric="rgb"
        )
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "text", "stored"),
    [
        ("u2", "1000,3000", lambda v: np.clip((v - 1000.0) / 2000, 0, 1)),
        ("u2", "percentile:0,100", lambda v: (v - v.min()) / (v.max() - v.min())),
        ("u1", "16,235", lambda v: np.clip((v - 16.0) / 219, 0, 1)),
        ("f4", "0,4000", lambda v: np.clip(v / 4000, 0, 1)),
    ],
)
def test_values_become_what_the_scale_says(tmp_path, kind, text, stored):
    values = (UNIT * (255 if kind == "u1" else 4095)).astype(kind)
    colors = np.dstack([values, values[::-1], values // 2])
    tifffile.imwrite(tmp_path / "a_nir.tif", values)
    tifffile.imwrite(tmp_path / "a_rgb.tif", colors, photometric="rgb")
    for read, given in ((read_nir, values), (read_rgb, colors)):
        made = read(tmp_path / f"a_{read.__name__[5:]}.tif", Scale.parse(text))
        most = 1 if kind == "f4" else 65535
        assert made.dtype == ("f4" if kind == "f4" else "u2")
        assert np.abs(made / most - stored(given.astype(float))).max() <= 0.6 / 65535 + 1e-6


def test_each_scale_is_stored_for_itself(twelve):
    patterns = f"{twelve}/*_nir.tif", f"{twelve}/*_rgb.tif"
    plain = Folder(*patterns).pairs()[0]
    scaled = Folder(*patterns, nir_scale="0,4095", rgb_scale="0,8190").pairs()[0]
    measured = Folder(*patterns, rgb_scale="percentile:1,99").pairs()[0]
    scales = [pair._scales() for pair in (plain, scaled, measured)]  # hashed, so in checkpoints
    assert scales == ["dtype dtype", "0,4095 0,8190", "dtype percentile:1,99"]
    store = PairStore(twelve / "store")
    stored = store.build([plain, scaled])
    assert plain.nir_scale == DTYPE_SCALE
    before, after = (pixels.astype(float) / 65535 for pixels in stored)
    np.testing.assert_allclose(after[..., 3], before[..., 3] * 65535 / 4095, atol=2e-5)
    np.testing.assert_allclose(after[..., :3], before[..., :3] * 65535 / 8190, atol=2e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nir_scale": "max"}, "source.nir_scale max: expected dtype, LOW,HIGH"),
        ({"rgb_scale": "5,1"}, "source.rgb_scale 5,1: LOW must be less"),
    ],
)
def test_what_is_no_scale_is_one_line(options, message):
    with pytest.raises(NirganError, match=message):
        Folder("a", "b", **options)


def test_check_hints_at_twelve_bits(twelve, capsys):
    source = ["--source=Folder", f"--source.nir={twelve}/*_nir.tif"]
    source += [f"--source.rgb={twelve}/*_rgb.tif"]
    assert main(["check", *source]) == 0
    told = capsys.readouterr().out
    for name in ("nir", "rgb"):
        words = rf"{name.upper()} pictures: no value above 40\d\d, where 65535 is white: if it is "
        assert re.search(rf"{words}12-bit, use --source.{name}_scale 0,4095\n", told)
    scales = ["--source.nir_scale=0,4095", "--source.rgb_scale=0,4095"]
    assert main(["check", *source, *scales]) == 0
    assert "no value above" not in capsys.readouterr().out


@pytest.mark.parametrize("scale", [None, "0,4095"])
def test_what_was_trained_is_used_as_it_was_trained(twelve, scale, capsys, recwarn):
    """Without a scale the hint comes with `fit`; once trained, another scale would be wrong."""
    arguments = [
        f"--model={ROOT}/tests/conf/flat.yaml",
        "--data.source=Folder",
        f"--data.source.nir={twelve}/*_nir.tif",
        f"--data.source.rgb={twelve}/*_rgb.tif",
        *([f"--data.source.{band}_scale={scale}" for band in ("nir", "rgb") if scale]),
        *("--data.patch=32", "--data.train_patches=4", "--data.val_patches=2"),
        *("--data.batch_size=2", "--trainer.max_epochs=1", "--trainer.accelerator=cpu"),
        *(f"--trainer.default_root_dir={twelve}/runs", "--trainer.enable_progress_bar=false"),
    ]
    fit(arguments)
    hints = [str(w.message) for w in recwarn if "no value above" in str(w.message)]
    assert len(hints) == (0 if scale else 2)
    assert all("-bit, use data.source." in hint for hint in hints)
    (best,) = twelve.glob("runs/**/best.ckpt")
    colorizer = load(best, device="cpu")
    expected = scale or "0,65535"
    assert str(colorizer.scale) == expected
    colorizer.save_pretrained(twelve / "model")
    assert json.loads((twelve / "model/config.json").read_text())["scale"] == expected
    picture = tifffile.imread(twelve / "0_nir.tif")
    by_hand = colorizer.colorize_bands(
        torch.from_numpy(picture / float(expected[2:]))[None].float()
    )[0]
    for model in (best, twelve / "model"):
        out = twelve / model.name
        asked = ["colorize", f"{twelve}/0_nir.tif", f"--model={model}", f"--output={out}"]
        assert main([*asked, "--overwrite"]) == 0
        told = capsys.readouterr()
        assert f"--scale {expected}, with which" in told.out
        assert "no value above" not in told.err
        made = tifffile.imread(out / "0_nir.tif").transpose(2, 0, 1) / 65535
        assert np.abs(made - by_hand.numpy()).max() < 1e-3
    with pytest.raises(
        NirganError, match=r"values end at 255, but the scale of the model .*--scale"
    ):
        colorizer(picture.astype(np.uint8))
    assert colorizer(picture.astype(np.uint8), scale="dtype").dtype == np.uint8


def test_exports_know_the_scale(tmp_path, capsys):
    config = read_model(ROOT / "nirgan/inference/weights/default").config
    for scale, told in (
        ("percentile:0.5,99.5", "--scale percentile:0.5,99.5: a program is given numbers alone"),
        ("0,4095", None),
    ):
        model = load("default", device="cpu")
        model.config = config | {"scale": scale}
        model.save_pretrained(tmp_path / scale)
        if told:
            out = f"--output={tmp_path}/a.onnx"
            assert main(["export", str(tmp_path / scale), "--format=onnx", out]) == 2
            assert told in capsys.readouterr().err
    limits = Scale.parse("0,1").limits(np.zeros(1), "a")
    assert metadata_of(load(tmp_path / "0,4095"), limits)["scale"] == "0,4095"
    with pytest.raises(NirganError, match="the scale of the model m .--scale. 9: expected dtype"):
        Colorizer(torch.nn.Identity(), "m", config={"scale": "9"})
