"""Collects the results of finished runs, for tables, figures and reports."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from nirgan.benchmark.runner import load_result
from nirgan.benchmark.suite import GREY_ROW, Run, Suite
from nirgan.benchmark.tables import Results
from nirgan.data.protocols import SplitProtocol
from nirgan.errors import NirganError
from nirgan.evaluation.evaluate import aggregate
from nirgan.evaluation.statistics import differences
from nirgan.metrics import MAIN

COSTS_FILE = "costs.json"
"""In a benchmark's folder: what its methods cost, where that was measured."""


def collect(suite: Suite, runs: Sequence[Run], out: Path) -> Results:
    """Put the finished runs in a benchmark's folder together.

    Returns:
        As JSON holds it: the budget and what was compared; `tables`, one a category and protocol,
        of rows and comparisons, of which those are left out that still miss a run; `configurations`
        by category and method, but for protocol, fold and seed, which stand in `runs`, with the
        command, commit, versions, machine, learning curve and judged pictures of each; `costs`,
        see `nirgan.benchmark.costs`, or None.

    Raises:
        NirganError: Two methods were judged on other pixels.
    """
    done = [_record(run, result) for run in runs if (result := load_result(out, run)) is not None]
    configurations: dict[str, dict[str, Any]] = {}
    for run in runs:
        configurations.setdefault(run.category, {})[run.method] = _shared(run.configuration)
    tables = [_table(suite, done, c, p) for p in suite.protocols for c in suite.categories]
    costs = out / COSTS_FILE
    return {
        "budget": str(suite.budget),
        "methods": list(suite.methods),
        "runs_finished": len(done),
        "runs_in_all": len(runs),
        "tables": tables,
        "configurations": configurations,
        "runs": done,
        "costs": json.loads(costs.read_text(encoding="utf-8")) if costs.is_file() else None,
    }


def _record(run: Run, result: Results) -> Results:
    """A run's result, with the current name of its method."""
    own = {"method": run.method, "one_pass": run.one_pass, MAIN: _row([result])[MAIN]}
    return {k: v for k, v in (result | own).items() if k != "configuration"}


def _shared(configuration: Results) -> Results:
    data = {k: v for k, v in configuration["data"].items() if k not in ("protocol", "fold", "seed")}
    return {k: v for k, v in configuration.items() if k != "seed_everything"} | {"data": data}


def _table(
    suite: Suite, done: list[Results], category: str | None, protocol: SplitProtocol
) -> Results:
    folds, seeds = suite.folds_of(protocol), suite.seeds_of(protocol)
    found: dict[str, list[Results]] = {}
    for name, method in suite.methods.items():
        what = (name, suite.trained_on(category), protocol)
        runs = [run for run in done if (run["method"], run["category"], run["protocol"]) == what]
        if suite.together and category is not None:
            runs = [_judged_on(run, category) for run in runs]
        if len(runs) == len(folds) * (1 if method.one_pass else len(seeds)):
            found[name] = runs
    _refuse_other_pixels(found)
    rows = {
        name: {
            "method": name,
            **_row(runs),
            "against_grey": _differences(found, name, GREY_ROW) if name != GREY_ROW else None,
            "published": suite.methods[name].published.get(category or "all"),
            "patches_seen": round(fmean(run["patches_seen"] for run in runs)),
            "parameters": runs[0]["parameters"],
            "minutes": sum(run["seconds"] for run in runs) / 60,
        }
        for name, runs in found.items()
    }
    comparisons = []
    for first, second in suite.compare:
        if between := _differences(found, first, second):
            a, b = (rows[name][f"{MAIN}_of_seeds"] for name in (first, second))
            if suite.methods[first].one_pass:  # one figure, whatever the other's seed
                a = dict.fromkeys(b, *a.values())
            if suite.methods[second].one_pass:
                b = dict.fromkeys(a, *b.values())
            of_seeds = {seed: a[seed] - b[seed] for seed in a}
            names = {"first": first, "second": second}
            comparisons.append(names | {"differences": between, "of_seeds": of_seeds})
    judged = _images(next(iter(found.values()), []))
    return {
        "category": category or "all",
        "protocol": protocol,
        "folds": folds,
        "budget": str(suite.budget),
        "pictures": len(judged),
        "scenes": len({image["scene"] for image in judged}),
        "rows": list(rows.values()),
        "comparisons": comparisons,
    }


def _refuse_other_pixels(found: dict[str, list[Results]]) -> None:
    """Compare the colorfulness of the true pictures, which depends on the judged pixels alone."""
    first: dict[str, list[float]] = {}
    for method, runs in found.items():
        truth: dict[str, list[float]] = {}
        for image in _images(runs):
            if of_truth := image["sums"].get("colorfulness"):
                truth.setdefault(image["name"], []).append(of_truth[1])
        if not truth:
            continue  # from before this metric
        first = first or truth
        for name in sorted(first.keys() | truth.keys()):
            values = first.get(name, [-math.inf]) + truth.get(name, [math.inf])
            if max(values) - min(values) > 1e-3:
                where = f"{runs[0]['category']}, {runs[0]['protocol']}"
                raise NirganError(
                    f"{where}: {name} was judged on other pixels in runs of {method} than of "
                    f"{next(iter(found))}: pictures were added or changed between the runs, or "
                    "data.patch differs; give all methods one patch, and another --out"
                )


def _judged_on(run: Results, category: str) -> Results:
    return run | {"images": [i for i in run["images"] if i["name"].startswith(f"{category}/")]}


def _row(runs: Sequence[Results]) -> Results:
    """The means over seeds, and the main figure of each."""
    seeds = dict.fromkeys(run["seed"] for run in runs)
    rows = [aggregate(i["sums"] for i in _images(runs) if i["seed"] == seed) for seed in seeds]
    of_seeds = {str(seed): row[MAIN] for seed, row in zip(seeds, rows, strict=True)}
    names = [name for name in rows[0] if all(name in row for row in rows)]
    means = {name: fmean(row[name] for row in rows) for name in names}
    return means | {f"{MAIN}_of_seeds": of_seeds}


def _differences(found: dict[str, list[Results]], first: str, second: str) -> Results | None:
    """By metric; None where one of the methods is not there yet."""
    if first not in found or second not in found:
        return None
    between = differences(*(_images(found[name]) for name in (first, second)))
    return {name: asdict(interval) for name, interval in between.items()}


def _images(runs: Sequence[Results]) -> list[Results]:
    return [image | {"seed": run["seed"]} for run in runs for image in run["images"]]
