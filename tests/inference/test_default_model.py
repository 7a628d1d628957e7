"""The model that comes along: small, and described by what was measured."""

import json
import re

import pytest
from conftest import ROOT

WEIGHTS = ROOT / "nirgan/inference/weights/default"
RESULTS = ROOT / "results/default"
MEASURED = json.loads((RESULTS / "results.json").read_text())


def table(file, first):
    """Rows of the table that begins with a column of this name, by their first cells."""
    lines = file.read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first} |"))
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def test_it_is_small():
    assert (WEIGHTS / "model.safetensors").stat().st_size <= 5_000_000


def test_it_is_the_one_that_was_measured():
    from nirgan import load

    assert load(device="cpu").title == MEASURED["model"]
    commit = MEASURED["provenance"]["commit"]
    assert not commit.endswith("+")
    assert commit in (WEIGHTS / "README.md").read_text()


def test_the_card_says_what_was_measured():
    rows = list(table(WEIGHTS / "README.md", "scenes"))
    assert [row[0] for row in rows] == list(MEASURED["rows"])
    for part, pictures, *figures in rows:
        model = MEASURED["rows"][part]["model"]
        grey = MEASURED["rows"][part]["NIR copied to grey"]
        keys = ("angular_error_images", "psnr", "ssim")
        expected = [row[key] for key in keys for row in (model, grey)]
        digits = [len(figure.partition(".")[2]) for figure in figures]
        assert figures == [f"{v:.{d}f}" for v, d in zip(expected, digits, strict=True)]
        assert int(pictures) == MEASURED["pictures"][part]


def test_the_results_say_what_was_measured():
    text = " ".join((RESULTS / "README.md").read_text().split())
    model, grey = (MEASURED["rows"]["all"][m] for m in ("model", "NIR copied to grey"))
    assert f"{model['angular_error_images']:.2f} degrees where the grey copy has" in text
    assert f"{model['psnr']:.2f} dB where it has {grey['psnr']:.2f}" in text
    the_map, from_grey = MEASURED["uncertainty"].values()
    assert f"is {the_map['within pictures']:.2f} within pictures" in text
    assert f"{the_map['between pictures']:.2f} between them" in text
    for key in ("within pictures", "between pictures"):
        assert re.search(rf"has [\d. and]*{from_grey[key]:.2f}", text)


def test_the_table_of_speed_is_the_one_that_was_measured():
    measured = json.loads((RESULTS / "speed.json").read_text())["results"]
    rows = list(table(RESULTS / "README.md", "engine"))
    assert len(rows) == len(measured)
    for engine, files, *rates, share in rows:
        name = engine.replace("torch, ", "")
        found = measured[f"CPU, {name}, {files.lower().replace('jpeg', 'jpg')}"]
        keys = ("network", "plain loop", "verb")
        assert rates == [f"{found[key]:.2f}" for key in keys]
        assert float(share.strip("%")) == pytest.approx(
            100 * found["verb of network, median of turns"], abs=0.51
        )
