"""Finished benchmarks side by side, and the overview in the README."""

import json
import math
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT

from nirgan.benchmark import report, tables
from nirgan.benchmark.report import BEGIN, END
from nirgan.benchmark.runner import load_result
from nirgan.cli.main import main
from nirgan.evaluation import markdown
from nirgan.evaluation.evaluate import aggregate
from nirgan.evaluation.statistics import Interval, differences
from nirgan.metrics import MAIN, METRICS
from nirgan.utils.atomic_write import write_json

pytestmark = pytest.mark.xdist_group("benchmark")

RESULTS = ROOT / "results"
TABLES1 = ["table1", "table1_250k", "table1_limits", "table1_short"]


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.sources, self.cells, self.texts, self.tag = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tag = tag
        self.sources += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, text):
        self.texts.append(text)
        if self.tag == "td":
            self.cells.append(text)


def test_one_page_holds_everything_and_needs_nothing_else(finished, results, tmp_path, capsys):
    assert main(["report", str(finished), f"--out={tmp_path}"]) == 0
    page = Page((tmp_path / "report.html").read_text())
    assert len(page.sources) == 5
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert "patches-within-images: street, from above: street/" in "".join(page.texts)
    text = (tmp_path / "report.md").read_text()
    for one in results["tables"]:
        for row in one["rows"]:
            figure = f"{row['angular_error']:.2f}"
            assert any(cell.startswith(figure) for cell in page.cells)
            assert figure in text
    assert "In " in capsys.readouterr().out


def test_results_stand_side_by_side(finished, results, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    doubled = json.loads(json.dumps(results))
    for one in doubled["tables"]:
        for row in one["rows"]:
            row["angular_error"] *= 2
    (other / "results.json").write_text(json.dumps(doubled))
    assert main(["report", str(finished), str(other), f"--out={tmp_path / 'report'}"]) == 0
    out = capsys.readouterr().out
    error = next(r for r in results["tables"][0]["rows"] if r["method"] == "triplet")[
        "angular_error"
    ]
    assert re.search(rf"{finished.name}: triplet .*\b{error:.2f} ", out)
    assert re.search(rf"other: triplet .*\b{2 * error:.2f} ", out)


def test_the_overview_is_put_between_two_marks_and_nothing_else_changes(finished, tmp_path):
    text = tmp_path / "text.md"
    text.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):
        assert main(["report", str(finished), f"--into={text}"]) == 0
    found = text.read_text()
    assert found.startswith(f"before\n{BEGIN}\nBudget of a trained run: 24 patches.\n\n| angular")
    assert found.endswith(f"|\n{END}\nafter\n")
    assert "old" not in found


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "No such file"),
        (lambda folder: (folder / "results.json").write_text("{"), "not JSON"),
        (lambda folder: (folder / "results.json").write_text('{"rows": 1}'), "not of a benchmark"),
    ],
)
def test_what_is_no_benchmark_is_named(make, said, tmp_path, capsys):
    make(tmp_path)
    assert main(["report", str(tmp_path)]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith(f"nirgan report: {tmp_path}/results.json: ")
    assert said in error


def test_a_text_without_marks_says_what_to_put_there(finished, tmp_path, capsys):
    (tmp_path / "text.md").write_text("nothing\n")
    assert main(["report", str(finished), f"--into={tmp_path}/text.md"]) == 2
    assert BEGIN in capsys.readouterr().err


def test_the_readmes_table_is_what_the_command_makes_of_the_committed_results(tmp_path):
    copy = Path(shutil.copy(ROOT / "README.md", tmp_path))
    assert main(["report", str(RESULTS / "table1"), f"--into={copy}"]) == 0
    assert copy.read_text() == (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "name",
    [
        *TABLES1,
        "ablation",
        "folds",
        "regularization",
        "regularization/crops",
        "systems",
    ],
)
def test_the_committed_tables_are_those_of_the_committed_results(name):
    folder = RESULTS / name
    results = json.loads((folder / "results.json").read_text())
    assert (folder / "table.md").read_text() == markdown.page(tables.blocks({"": results}))
    assert (folder / "table.csv").read_text() == tables.as_csv(results)


def test_the_main_figure_is_written_as_its_line_says(monkeypatch):
    line = replace(METRICS[MAIN], label="turn", unit="rad", digits=3)
    monkeypatch.setitem(METRICS, MAIN, line)
    results = json.loads((RESULTS / "table1/results.json").read_text())
    said = [tables.sentence(c) for one in results["tables"] for c in one["comparisons"]]
    assert said
    for sentence in said:
        assert " rad, " in sentence
        assert all(len(digits) == 3 for digits in re.findall(r"\.(\d+)", sentence))
    assert "| turn (rad)" in markdown.page(tables.blocks({"": results}))
    errors = [line[1] for line in tables.overview({"": results})[1:] if line[1]]
    assert all(re.fullmatch(r"\d+\.\d{3}( \(.*\))?( \*)?", error) for error in errors)
    runs = [lines for kind, lines in report._runs({"": results}) if kind == "table"]
    number = runs[0][0].index("turn")
    assert all(re.fullmatch(r"\d+\.\d{3}", line[number]) for line in runs[0][1:])


def test_what_is_no_number_is_null_in_files_and_nan_in_sums(tmp_path):
    image = {"sums": {"angular_error": (math.nan, 4), "psnr": (math.nan, 1)}}
    write_json(tmp_path / "runs/x/result.json", {"images": [image]})
    (image,) = load_result(tmp_path, SimpleNamespace(key="x"))["images"]
    row = aggregate([image["sums"]])
    assert math.isnan(row["angular_error"])
    assert math.isnan(row["psnr"])


def test_a_seed_without_a_figure_is_left_out_of_the_range():
    results = json.loads((RESULTS / "table1_short/results.json").read_text())
    row = results["tables"][0]["rows"][-1]
    row[MAIN], row[f"{MAIN}_of_seeds"] = None, {"0": None, "1": None}
    assert f'"{row["method"]}",,' in tables.as_csv(results)
    (line,) = [line for line in tables.overview({"": results}) if line[0] == row["method"]]
    assert line[1] == ""


@pytest.mark.parametrize("name", TABLES1)
def test_a_text_quotes_no_figure_that_the_results_do_not_hold(name):
    files = [ROOT / "conf/benchmark/table1_small.yaml", *RESULTS.glob("table1*/table.md")]
    known = set.union(*(figures(file.read_text()) for file in files))
    if name == "table1":
        known |= of_trained_pictures() | recipe_on("urban") | recipe_on("oldbuilding")
    quoted = figures((RESULTS / name / "README.md").read_text())
    assert len(quoted) > 20
    assert quoted <= known


def of_trained_pictures():
    """What `benchmarks/leaking.py` found of every method."""
    rows = json.loads((RESULTS / "table1/leaking.json").read_text())["rows"]
    found = set()
    for row in rows.values():
        change = row.pop("trained on minus apart")
        found |= figures(" ".join(Interval(**change[name]).text(name) for name in change))
        found |= figures(" ".join(METRICS[name].text(r[name]) for r in row.values() for name in r))
    return found


def test_the_readme_says_what_judging_trained_pictures_is_worth():
    rows = json.loads((RESULTS / "table1/leaking.json").read_text())["rows"]
    flat, triplet = (rows[f"urban, {name}, reconstruction"] for name in ("flat", "triplet"))
    trained, apart = (
        " and ".join(f"{row[what][MAIN]:.2f}" for row in (flat, triplet))
        for what in ("trained on", "apart")
    )
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert f"flat and triplet have {trained} in place of {apart}" in readme


def recipe_on(category):
    """What the default's recipe scores on a category of the five folds, and against grey."""
    runs = json.loads((RESULTS / "folds/results.json").read_text())["runs"]

    def images(method):
        return [
            {"scene": image["scene"], "sums": {MAIN: (image["angles"], image["pixels"])}}
            for run in runs
            if run["method"] == method
            for image in run["images"]
            if image["name"].startswith(category)
        ]

    against = differences(images("scene U-Net"), images("NIR copied to grey"))[MAIN]
    error = aggregate(image["sums"] for image in images("scene U-Net"))[MAIN]
    return figures(f"{error:.2f} {against.text(MAIN)}")


def test_the_trials_of_the_recipe_are_told_as_they_came_out():
    """Every row of two tables is a trial's, or the grey copy's."""
    trials = json.loads((RESULTS / "ablation/photographs.json").read_text())
    names = [name for name in METRICS if name not in ("angular_error", "undefined_pixels")]
    digits = {"colorfulness": 3, "ssim": 3}
    measured = [
        [f"{row[name]:.{digits.get(name, 2)}f}" for name in names]
        for trial in trials.values()
        for row in (trial["figures"], trial["grey"])
    ]
    _, text = (RESULTS / "ablation/README.md").read_text().split("## Longer, photographs")
    rows = re.findall(r"^\|[^|]+\|((?: [\d.]+ \|){6})$", text, re.MULTILINE)
    assert len(rows) > 25
    assert all(re.findall(r"[\d.]+", row) in measured for row in rows)


def figures(text):
    """Everything with two or three decimals, its sign left out."""
    return set(re.findall(r"(?<![\d.])\d+\.\d{2,3}(?![\d.])", text))
