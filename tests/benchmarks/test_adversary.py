"""The table of what steadies the adversarial losses is of its results."""

import json

import pytest
from conftest import ROOT

FOLDER = ROOT / "results/adversary"
RESULTS = json.loads((FOLDER / "results.json").read_text())
COLUMNS = ("angular_error", "angular_error_colored", "ciede2000", "colorfulness", "psnr", "ssim")
ROWS = {
    "NIR copied to grey": RESULTS["stabilized"]["grey"],
    "the paper's, flat": RESULTS["the paper's, long"]["judged"][1],
    "stabilized, flat": RESULTS["stabilized"]["judged"][-1],
    "the same, batch norm in D and no penalty": RESULTS["stabilized, batch norm and no penalty"][
        "judged"
    ][-1],
    "stabilized and relativistic, flat": RESULTS["stabilized, relativistic"]["judged"][-1],
    "stabilized and relativistic, triplet": RESULTS["stabilized, relativistic, triplet"]["judged"][
        -1
    ],
}


def test_every_figure_is_the_results():
    text = (FOLDER / "README.md").read_text()
    (_, table) = text.split("| after 41,600 patches |")
    former, seen = {}, 0
    for line in table.split("\n\n")[0].splitlines()[2:]:
        label, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        averaged = "averaged/" if label == "its averaged weights" else ""
        row = former if averaged else ROWS[label]
        for name, cell in zip(COLUMNS, cells, strict=False):
            digits = len(cell.partition(".")[2])
            assert f"{row[averaged + name]:.{digits}f}" == cell, (label, name)
        if cells[-1]:
            assert f"{row['discriminator_accuracy']:.2f}" == cells[-1]
        former, seen = row, seen + 1
    assert seen >= len(ROWS)
    assert ROWS["stabilized, flat"]["patches"] == ROWS["the paper's, flat"]["patches"] == 41_600
    grey, best = (
        ROWS[n]["angular_error_colored"] for n in ("NIR copied to grey", "stabilized, flat")
    )
    assert 1 - best / grey == pytest.approx(0.12, abs=0.005)  # as docs/paper.md says
