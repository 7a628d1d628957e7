"""Results as tables for people and for programs."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from nirgan.evaluation.evaluate import COLUMNS
from nirgan.evaluation.markdown import table

Results = dict[str, Any]
"""What `results.json` holds, or a part of it."""

NOTES = """\
Angular error in degrees over all pixels of whole validation regions (eq. 5), which no network saw
in training; the state of a network at the end of its budget is judged. After a figure, in
brackets, stands the range over seeds. `against grey` is the difference to NIR copied to grey, with
a 95% bootstrap interval over scenes; below 0 is better than grey. `*` marks an interval that lies
below 0. `where colored` is the mean of the pictures' errors over pixels where the truth's CIELAB
chroma exceeds 15; CIEDE2000 and colorfulness (Hasler and Suesstrunk) do not forgive grey either.
The interval says how far other scenes might move the difference, not how far other seeds
might: for that, look at the range. Pixels without color in the output or the truth are left out, a
few more in one method than in another. `published` are the paper's figures, on its own patches and
split."""

OPTIONAL_COLUMNS = (
    "angular_error_colored",
    "ciede2000",
    "colorfulness",
    "psnr",
    "ssim",
    "undefined_pixels",
)
"""What of a row stands in a table as it is, if it is there: older results lack some."""

HEADINGS = ("method", "angular error", "mean of images", "against grey", "published")

COST_COLUMNS = ("parameters", "patches/s in training", "ms for 1024x680")


def markdown(results: Results) -> str:
    """All tables, the overview first."""
    parts = [budget(results), table(overview({"": results})), NOTES]
    for one in results["tables"]:
        parts += [f"## {heading(one)}", table(cells(one))]
        parts += [sentence(comparison) for comparison in one["comparisons"]]
    return "\n\n".join(parts) + "\n"


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
    """The paper's table 1 with a column a category and protocol; what was published, and costs.

    Args:
        named: Results by name, side by side; a single one needs none.
    """
    tables = [t for results in named.values() for t in results["tables"]]
    columns = list(dict.fromkeys((t["category"], t["protocol"]) for t in tables))
    known_of = [t["category"] for t in tables if any(r["published"] is not None for r in t["rows"])]
    published = list(dict.fromkeys(known_of))
    costly = any(results.get("costs") for results in named.values())
    head = [
        "angular error (deg)",
        *map(", ".join, columns),
        *(f"{c}, published" for c in published),
        *(COST_COLUMNS if costly else ()),
    ]
    lines = [head]
    for name, results in named.items():
        for method in results["methods"]:
            rows = {
                (t["category"], t["protocol"]): row
                for t in results["tables"]
                for row in t["rows"]
                if row["method"] == method
            }
            known = {c: row["published"] for (c, _), row in rows.items()}
            lines.append(
                [
                    f"{name}: {method}" if name else method,
                    *(_with_seeds(rows[c]) + star(rows[c]) if c in rows else "" for c in columns),
                    *(_number(known.get(c)) for c in published),
                    *(_costs(results, method, rows.values()) if costly else ()),
                ]
            )
    return lines


def cells(one: Results) -> list[list[str]]:
    """The rows of one table under their head."""
    figures = [name for name in OPTIONAL_COLUMNS if any(name in row for row in one["rows"])]
    head = [*HEADINGS, *(COLUMNS[name][0] for name in figures), "patches"]
    return [head, *(_cells(row, figures) for row in one["rows"])]


def heading(one: Results) -> str:
    """What a table is of."""
    folds = f", {len(one['folds'])} folds" if one["protocol"] == "across-scenes" else ""
    return (
        f"{one['category']}, {one['protocol']}{folds}: {one['pictures']} pictures of "
        f"{one['scenes']} scenes, budget {one['budget']}"
    )


def sentence(comparison: Results) -> str:
    """A comparison of two methods, stated only where its interval leaves out 0."""
    first, second = comparison["first"], comparison["second"]
    low, high = comparison["low"], comparison["high"]
    if low is None:
        verdict = f"**{first}** against **{second}**, too few scenes for an interval"
    elif high < 0:
        verdict = f"**{first}** is better than **{second}**"
    elif low > 0:
        verdict = f"**{second}** is better than **{first}**"
    else:
        verdict = f"No difference between **{first}** and **{second}** is shown"
    by_seed = ", ".join(f"{value:+.2f}" for value in comparison["of_seeds"].values())
    seeds = "of one seed" if len(comparison["of_seeds"]) == 1 else f"by seed {by_seed}"
    return f"{verdict}: {_difference(comparison)} degrees, {seeds}."


def as_csv(results: Results) -> str:
    """A line a row of every table."""
    text = io.StringIO()
    names = ("method", *COLUMNS)
    more = ("published", "patches_seen", "parameters", "minutes")
    bounds = ("value", "low", "high")
    writer = csv.writer(text, lineterminator="\n")
    head = ["category", "protocol", "folds", "scenes", "budget", *names, "least_seed", "most_seed"]
    writer.writerow([*head, *(f"against_grey_{b}" for b in bounds), *more])
    for one in results["tables"]:
        what = [one["category"], one["protocol"], len(one["folds"]), one["scenes"], one["budget"]]
        for row in one["rows"]:
            seeds = row["angular_error_of_seeds"].values()
            grey = row["against_grey"] or {}
            values = [*(row.get(n) for n in names), min(seeds), max(seeds)]
            writer.writerow(
                [*what, *values, *(grey.get(b) for b in bounds), *(row[m] for m in more)]
            )
    return text.getvalue()


def _costs(results: Results, method: str, rows: Iterable[Results]) -> list[str]:
    parameters = next((f"{row['parameters']:,}" for row in rows), "")
    own = (results.get("costs") or {"methods": {}})["methods"].get(method)
    if own is None:
        return [parameters, "", ""]
    rate = own["patches_per_second"]
    return [parameters, "one pass" if rate is None else f"{rate:.0f}", f"{own['milliseconds']:.0f}"]


def star(row: Results) -> str:
    """Marks a row that is better than grey."""
    grey = row["against_grey"]
    return " *" if grey and grey["high"] is not None and grey["high"] < 0 else ""


def _cells(row: Results, figures: Iterable[str]) -> list[str]:
    return [
        row["method"],
        _with_seeds(row),
        _number(row["angular_error_images"]),
        (_difference(row["against_grey"]) + star(row)) if row["against_grey"] else "",
        _number(row["published"]),
        *(_number(row.get(name), COLUMNS[name][1]) for name in figures),
        f"{row['patches_seen']:,}",
    ]


def _with_seeds(row: Results) -> str:
    seeds = list(row["angular_error_of_seeds"].values())
    spread = f" ({min(seeds):.2f} to {max(seeds):.2f})" if len(seeds) > 1 else ""
    return _number(row["angular_error"]) + spread


def _difference(interval: Results) -> str:
    value, low, high = (interval[key] for key in ("value", "low", "high"))
    return f"{value:+.2f}" if low is None else f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"
