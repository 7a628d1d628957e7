"""What is said of the systems' benchmark: its README, and the rows of the methods' cards."""

import json
import re

import pytest
from conftest import ROOT
from test_report import figures

from nirgan.benchmark import tables
from nirgan.evaluation import markdown

SYSTEMS = ROOT / "results/systems"
RESULTS = json.loads((SYSTEMS / "results.json").read_text())
LONG = json.loads((SYSTEMS / "long.json").read_text())
CYCLEGAN = json.loads((SYSTEMS / "cyclegan.json").read_text())
CURVES = [
    [f"{value:.2f}" for value in CYCLEGAN[run]["val/angular_error"]]
    for run in ("unpaired", "with pairs", "with pairs, then unpaired")
]


def measured(name):
    """The row of a method as its card has it."""
    rows = {
        (one["category"], one["protocol"]): row
        for one in RESULTS["tables"]
        for row in one["rows"]
        if row["method"] == name
    }
    errors = [
        f"{said} {rows[category, 'within-images']['angular_error']:.2f} and "
        f"{rows[category, 'across-scenes']['angular_error']:.2f}"
        for category, said in (("urban", "urban"), ("oldbuilding", "old buildings"))
    ]
    cost = RESULTS["costs"]["methods"][name]
    rate = cost["patches_per_second"]
    speed = "fitted in one pass" if rate is None else f"{rate:.0f} patches/s"
    parameters = next(iter(rows.values()))["parameters"]
    return (
        f"{', '.join(errors)}; {parameters:,} parameters, {speed}, {cost['milliseconds']:.0f} ms."
    )


@pytest.mark.parametrize("name", RESULTS["methods"])
def test_a_card_quotes_its_row(name):
    cards = " ".join((ROOT / "docs/methods.md").read_text().split())
    assert f"- **Measured: {name.rstrip('.')}.** {measured(name)}" in cards


def test_every_configuration_has_a_card():
    cards = (ROOT / "docs/methods.md").read_text()
    for file in (ROOT / "conf/model").glob("*.yaml"):
        assert f"`{file.stem}`" in cards


def test_the_curves_of_cyclegan_are_those_that_were_measured():
    text = (SYSTEMS / "README.md").read_text()
    rows = re.findall(r"^\|[^|]+\|((?: \d\.\d\d \|){8})$", text, re.MULTILINE)
    assert [re.findall(r"[\d.]+", row) for row in rows] == CURVES
    assert f"{CYCLEGAN['NIR copied to grey']['angular_error']:.2f} degrees:" in text


def test_the_text_quotes_no_figure_that_the_results_do_not_hold():
    quoted = figures((SYSTEMS / "README.md").read_text())
    assert len(quoted) > 20
    ends = (f"{run['angular_error']:.2f} {run['history'][-1][1]:.2f}" for run in RESULTS["runs"])
    curves = {f"{CYCLEGAN['NIR copied to grey']['angular_error']:.2f}"}.union(*CURVES)
    page = (SYSTEMS / "table.md").read_text() + markdown.page(tables.blocks({"": LONG}))
    assert quoted <= figures(page) | figures(" ".join(ends)) | curves
