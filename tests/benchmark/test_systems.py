"""What is said of the systems' benchmark: its README, and the rows of the methods' cards."""

import json
import re
from collections import defaultdict

import pytest
from conftest import ROOT
from test_report import figures

SYSTEMS = ROOT / "results/systems"
RESULTS = json.loads((SYSTEMS / "results.json").read_text())
CYCLEGAN = json.loads((SYSTEMS / "cyclegan.json").read_text())
CURVES = [
    [f"{value:.2f}" for value in CYCLEGAN[run]["val/angular_error"]]
    for run in ("unpaired", "with pairs", "with pairs, then unpaired")
]


def errors(protocol):
    """Of each method: urban X and old buildings Y."""
    rows = defaultdict(dict)
    for table in RESULTS["tables"]:
        for row in table["rows"] if table["protocol"] == protocol else ():
            rows[row["method"]][table["category"]] = f"{row['angular_error']:.2f}"
    return {name: f"{row['urban']} and {row['oldbuilding']}" for name, row in rows.items()}


WITHIN, ACROSS = errors("within-images"), errors("across-scenes")
PARAMETERS = {run["method"]: run["parameters"] for run in RESULTS["runs"]}


def measured(name):
    """The rows of a method as its card has them."""
    apart = f", scenes apart {ACROSS[name]}" if name in ACROSS else ""
    cost = RESULTS["costs"]["methods"][name]
    rate = cost["patches_per_second"]
    speed = "fitted in one pass" if rate is None else f"{rate:.0f} patches/s"
    return (
        f"{WITHIN[name]}{apart}; {PARAMETERS[name]:,} parameters, {speed}, "
        f"{cost['milliseconds']:.0f} ms."
    )


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_card_quotes_its_rows(name):
    cards = " ".join((ROOT / "docs/methods.md").read_text().split())
    assert f"- **Measured: {name.rstrip('.')}.** {measured(name)}" in cards


def test_every_configuration_has_a_card():
    cards = (ROOT / "docs/methods.md").read_text()
    for file in (ROOT / "conf/model").glob("*.yaml"):
        assert f"`{file.stem}`" in cards


@pytest.mark.parametrize(("number", "protocol"), [(1, "within-images"), (2, "across-scenes")])
def test_the_page_has_the_rows_of_the_results(number, protocol):
    columns = ("angular_error", "angular_error_colored", "ciede2000", "colorfulness", "psnr")
    text = (SYSTEMS / "README.md").read_text().split("| patches seen |")[number]
    found = re.findall(r"^\| ([^|]+) \| ([\d,]*) ?\|((?: [\d.]+ \|){10})$", text, re.MULTILINE)
    tables = [table["rows"] for table in RESULTS["tables"] if table["protocol"] == protocol]
    rows = {urban["method"]: (urban, old) for urban, old in zip(*tables, strict=True)}
    assert sorted(name for name, _, _ in found) == sorted(rows)
    for name, patches, cells in found:
        expected = [f"{row[column]:.2f}" for row in rows[name] for column in columns]
        assert re.findall(r"[\d.]+", cells) == expected
        assert patches in ("", f"{rows[name][0]['patches_seen']:,}")


def test_the_curves_of_cyclegan_are_those_that_were_measured():
    text = (SYSTEMS / "README.md").read_text()
    rows = re.findall(r"^\|[^|]+\|((?: \d\.\d\d \|){8})$", text, re.MULTILINE)
    assert [re.findall(r"[\d.]+", row) for row in rows] == CURVES
    assert f"{CYCLEGAN['NIR copied to grey']['angular_error']:.2f} degrees:" in text


def test_the_text_quotes_no_figure_that_the_results_do_not_hold():
    quoted = figures((SYSTEMS / "README.md").read_text())
    assert len(quoted) > 20
    known = figures((SYSTEMS / "table.md").read_text()).union(*CURVES)
    known.add(f"{CYCLEGAN['NIR copied to grey']['angular_error']:.2f}")
    assert quoted <= known
