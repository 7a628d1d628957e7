"""What results/sweep says is what its JSON holds."""

import json
import re
from statistics import fmean

import pytest
from conftest import ROOT

from nirgan.sweeps import results

FOLDER = ROOT / "results/sweep"


def measured():
    """By noise: the errors with it and without, PSNR and SSIM, by seed."""
    clean, found = json.loads((FOLDER / "clean.json").read_text()), {}
    for name in ("noise_strong", "noise_levels"):  # of what stands in both, the latter
        for trial in json.loads((FOLDER / name / "results.json").read_text())["trials"]:
            seed, noise = trial["values"]["seed_everything"], trial["values"]["data.noise.red"]
            judged = clean[name][str(trial["number"])]
            row = (trial["value"], judged["angular_error"], judged["psnr"], judged["ssim"])
            found.setdefault(noise, {})[seed] = row
    return {
        noise: list(zip(*(of[s] for s in range(3)), strict=True)) for noise, of in found.items()
    }


def test_the_table_is_what_was_measured():
    lines = re.findall(r"^\| (none|0\.\d+)[^|]*\|(.*)\|$", (FOLDER / "README.md").read_text(), re.M)
    table = {0.0 if noise == "none" else float(noise): cells for noise, cells in lines}
    found = measured()
    assert table.keys() == found.keys()
    for noise, cells in table.items():
        given, mean, clean, clean_mean, psnr, ssim = (
            [float(word) for word in cell.split(",")] for cell in cells.split("|")
        )
        with_it, without, decibels, similarity = found[noise]
        for shown, values in ((given, with_it), (clean, without)):
            assert shown == pytest.approx(values, abs=0.0051)
        assert (*mean, *clean_mean) == pytest.approx((fmean(with_it), fmean(without)), abs=0.0051)
        assert psnr == pytest.approx([fmean(decibels)], abs=0.051)
        assert ssim == pytest.approx([fmean(similarity)], abs=0.00051)


@pytest.mark.parametrize(
    ("metric", "shown"),
    [("val/angular_error", "0.812"), ("val/ssim", "0.8123"), ("train/l1", "0.812")],
)
def test_a_figure_has_the_digits_of_its_metric_and_one_more(metric, shown):
    trial = {"number": 0, "state": "complete", "values": {}, "value": 0.81234, "curve": []}
    trial |= {"seconds": None, "error": None}
    found = {"metric": metric, "maximize": False, "parameters": [], "trials": [trial], "best": 0}
    assert results.cells(found)[1][1] == shown
    assert f"{metric} {shown}: " in results.sentence(found)
