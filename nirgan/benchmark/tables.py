"""Formats results as tables, in Markdown and CSV."""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from functools import reduce
from operator import or_
from typing import Any

from nirgan.evaluation import markdown
from nirgan.evaluation.evaluate import cells
from nirgan.evaluation.page import Block
from nirgan.evaluation.statistics import Interval
from nirgan.metrics import MAIN, METRICS

Results = dict[str, Any]
"""What `results.json` holds, or a part of it."""

NOTES = """\
Angular error in degrees over all pixels of whole validation regions (eq. 5), which no network saw
in training; the state of a network at the end of its budget is judged. After a figure, in
brackets, stands the range over seeds. `against grey` is the difference to NIR copied to grey, with
a 95% bootstrap interval over scenes; below 0 is better than grey. `*` marks a figure that is better
than grey's by such an interval. `where colored` is the mean of the pictures' errors over pixels
where the truth's CIELAB chroma exceeds 15; CIEDE2000 and colorfulness (Hasler and Suesstrunk) do
not forgive grey either. The interval says how far other scenes might move the difference, not how
far other seeds might: for that, look at the range. Pixels without color in the output or the truth
are left out, a few more in one method than in another. `published` are the paper's figures, on its
own patches and split."""


def blocks(named: Mapping[str, Results]) -> Iterator[Block]:
    """Budgets, the overview, and every table with its comparisons, of results by name."""
    yield "p", " ".join(start + budget(results) for start, results in _starts(named).items())
    yield "table", overview(named)
    yield "notes", NOTES
    for start, results in _starts(named).items():
        for one in results["tables"]:
            yield "h2", start + _heading(one)
            yield "table", markdown.lines([_cells(row) for row in one["rows"]])
            yield from (("p", sentence(comparison)) for comparison in one["comparisons"])


def budget(results: Results) -> str:
    """What every trained run had, whether all of them are there, and of how many commits."""
    finished, in_all = results["runs_finished"], results["runs_in_all"]
    missing = "" if finished == in_all else f" {finished} of {in_all} runs are finished."
    commits = sorted({run["commit"] for run in results["runs"]})
    mixed = f" Runs are of commits {', '.join(commits)}." if len(commits) > 1 else ""
    costs = results.get("costs")
    timed = f" Timed on {costs['machine']}, at commit {costs['commit']}." if costs else ""
    of_all = any(run["category"] == "all" for run in results["runs"])
    each = " of each category" if of_all and results["budget"].endswith("patches") else ""
    return f"Budget of a trained run: {results['budget']}{each}.{missing}{mixed}{timed}"


def overview(named: Mapping[str, Results]) -> list[list[str]]:
    """The paper's table 1 with a column a category and protocol; what was published, and costs."""
    rows = []
    for start, results in _starts(named).items():
        for method in results["methods"]:
            errors, published, costs = {}, {}, {}
            for one in results["tables"]:
                row = next((r for r in one["rows"] if r["method"] == method), None)
                if row is not None:
                    errors[f"{one['category']}, {one['protocol']}"] = _main(row)
                    costs = _costs(results, row)
                if any(r["published"] is not None for r in one["rows"]):
                    column = f"{one['category']}, published"
                    published[column] = METRICS[MAIN].text(row and row["published"])
            rows.append(({METRICS[MAIN].heading: start + method}, errors, published, costs))
    empty = {column: "" for part in zip(*rows, strict=True) for cells in part for column in cells}
    return markdown.lines([reduce(or_, row, empty) for row in rows])


def sentence(comparison: Results) -> str:
    """A comparison of two methods, stated only where its interval leaves out 0."""
    first, second = f"**{comparison['first']}**", f"**{comparison['second']}**"
    interval = intervals(comparison["differences"]).get(MAIN)
    if interval is None:
        return f"{first} and {second} cannot be compared: no pixel of one has a color."
    if interval.low is None:
        verdict = f"{first} against {second}, too few scenes for an interval"
    elif better := interval.better(MAIN):
        verdict = " is better than ".join((first, second)[::better])
    else:
        verdict = f"No difference between {first} and {second} is shown"
    main = METRICS[MAIN]
    by_seed = ", ".join(main.text(value, "+") for value in comparison["of_seeds"].values())
    seeds = "of one seed" if len(comparison["of_seeds"]) == 1 else f"by seed {by_seed}"
    difference = f"{interval.text(MAIN)} {main.unit_in_words}".rstrip()
    return f"{verdict}: {difference}, {seeds}."


def intervals(found: Results | None) -> dict[str, Interval]:
    """Differences keyed by metric, of those that are known."""
    return {name: Interval(**found[name]) for name in METRICS if found and name in found}


def as_csv(results: Results) -> str:
    """All rows of all tables as CSV."""
    text = io.StringIO()
    rows = [_values(one, row) for one in results["tables"] for row in one["rows"]]
    head = dict.fromkeys(key for row in rows for key in row)
    writer = csv.DictWriter(text, head, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _values(one: Results, row: Results) -> Results:
    values = {key: one[key] for key in ("category", "protocol", "folds", "scenes", "budget")}
    values |= {"folds": len(one["folds"])} | {key: row.get(key) for key in ("method", *METRICS)}
    seeds = _of_seeds(row)
    values |= {"least_seed": min(seeds, default=None), "most_seed": max(seeds, default=None)}
    for name, interval in ({MAIN: None} | intervals(row["against_grey"])).items():
        start = "" if name == MAIN else f"{name}_"
        for bound in ("value", "low", "high"):
            values[f"{start}against_grey_{bound}"] = getattr(interval, bound, None)
    more = ("published", "patches_seen", "parameters", "minutes")
    return values | {key: row[key] for key in more}


def _cells(row: Results) -> dict[str, str]:
    figures, against = cells(row), intervals(row["against_grey"])
    for name, interval in against.items():
        figures[METRICS[name].heading] += " *" * (interval.better(name) > 0)
    main = METRICS[MAIN]
    grey = against[MAIN].text(MAIN) if MAIN in against else ""
    published = main.text(row["published"])
    first = {main.heading: "", "against grey": grey, "published": published}
    last = {main.heading: _main(row), "patches": f"{row['patches_seen']:,}"}
    return {"method": row["method"]} | first | figures | last


def _main(row: Results) -> str:
    main, seeds = METRICS[MAIN], _of_seeds(row)
    spread = f" ({main.text(min(seeds))} to {main.text(max(seeds))})" if len(seeds) > 1 else ""
    grey = intervals(row["against_grey"]).get(MAIN)
    return main.text(row[MAIN]) + spread + " *" * bool(grey and grey.better(MAIN) > 0)


def _of_seeds(row: Results) -> list[float]:
    """The main figure of each seed that has one."""
    figures = row[f"{MAIN}_of_seeds"].values()
    return [value for value in figures if value is not None and math.isfinite(value)]


def _costs(results: Results, row: Results) -> dict[str, str]:
    if not results.get("costs"):
        return {}
    own = results["costs"]["methods"].get(row["method"])
    rate = own and own["patches_per_second"]
    return {
        "parameters": f"{row['parameters']:,}",
        "patches/s in training": f"{rate:.0f}" if rate else "one pass" if own else "",
        "ms for 1024x680": f"{own['milliseconds']:.0f}" if own else "",
    }


def _heading(one: Results) -> str:
    folds = f", {len(one['folds'])} folds" if one["protocol"] == "across-scenes" else ""
    of = f"{one['pictures']} pictures of {one['scenes']} scenes, budget {one['budget']}"
    return f"{one['category']}, {one['protocol']}{folds}: {of}"


def _starts(named: Mapping[str, Results]) -> dict[str, Results]:
    """Results keyed by the prefix of their headings, which is empty if there is only one."""
    return {f"{name}: " if len(named) > 1 else "": results for name, results in named.items()}
