"""From finished runs to everything that tables, figures and texts may say."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from nirgan.benchmark.runner import load_result
from nirgan.benchmark.suite import GREY_ROW, Run, Suite
from nirgan.benchmark.tables import Results
from nirgan.data.protocols import SplitProtocol
from nirgan.evaluation.evaluate import ImageScore, Row, aggregate
from nirgan.evaluation.statistics import by_scene, difference

COSTS_FILE = "costs.json"
"""In a benchmark's folder: what its methods cost, where that was measured."""


def collect(suite: Suite, runs: Sequence[Run], out: Path) -> Results:
    """Put finished runs together.

    Args:
        suite: What is compared.
        runs: Its runs.
        out: The benchmark's folder.

    Returns:
        As JSON holds it: the budget and what was compared; `tables`, one a category and protocol,
        of rows and comparisons, of which those are left out that still miss a run; `configurations`
        by category and method, but for protocol, fold and seed, which stand in `runs`, with the
        command, commit, versions, machine, learning curve and judged pictures of each; `costs`,
        see `nirgan.benchmark.costs`, or None.
    """
    done = [_of(run, result) for run in runs if (result := load_result(out, run)) is not None]
    configurations: dict[str, dict[str, Any]] = {}
    for run in runs:
        configurations.setdefault(run.category, {})[run.method] = _shared(run.configuration)
    categories = [category or "all" for category in suite.categories]
    tables = [_table(suite, done, c, p) for p in suite.protocols for c in categories]
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


def _of(run: Run, result: Results) -> Results:
    """A result under the name that its row has now."""
    error = aggregate(list(_scores([result])))["angular_error"]
    own = {"method": run.method, "one_pass": run.one_pass, "angular_error": error}
    return {k: v for k, v in (result | own).items() if k != "configuration"}


def _shared(configuration: Results) -> Results:
    data = {k: v for k, v in configuration["data"].items() if k not in ("protocol", "fold", "seed")}
    return {k: v for k, v in configuration.items() if k != "seed_everything"} | {"data": data}


def _table(suite: Suite, done: list[Results], category: str, protocol: SplitProtocol) -> Results:
    folds, seeds = suite.folds_of(protocol), suite.seeds_of(protocol)
    found: dict[str, list[Results]] = {}
    for name, method in suite.methods.items():
        expected = len(folds) * (1 if method.one_pass else len(seeds))
        of_method = [
            run
            for run in done
            if (run["method"], run["category"], run["protocol"]) == (name, category, protocol)
        ]
        if len(of_method) == expected:
            found[name] = of_method
    rows = [_row(suite, name, category, found) for name in found]
    judged = [image for runs in list(found.values())[:1] for run in runs for image in run["images"]]
    return {
        "category": category,
        "protocol": protocol,
        "folds": folds,
        "budget": str(suite.budget),
        "pictures": len(judged),
        "scenes": len({image["scene"] for image in judged}),
        "rows": rows,
        "comparisons": list(_comparisons(suite, found)),
    }


def _row(suite: Suite, name: str, category: str, found: dict[str, list[Results]]) -> Results:
    runs = found[name]
    rows = {seed: aggregate(list(_scores(of_seed))) for seed, of_seed in _by_seed(runs).items()}
    grey = None
    if name != GREY_ROW and GREY_ROW in found:
        grey = asdict(difference(_scenes(runs), _scenes(found[GREY_ROW])))
    return {
        "method": name,
        **_mean(list(rows.values())),
        "angular_error_of_seeds": {str(seed): row["angular_error"] for seed, row in rows.items()},
        "against_grey": grey,
        "published": suite.methods[name].published.get(category),
        "patches_seen": round(fmean(run["patches_seen"] for run in runs)),
        "parameters": runs[0]["parameters"],
        "minutes": sum(run["seconds"] for run in runs) / 60,
    }


def _comparisons(suite: Suite, found: dict[str, list[Results]]) -> Iterator[Results]:
    for first, second in suite.compare:
        if first not in found or second not in found:
            continue
        a, b = _by_seed(found[first]), _by_seed(found[second])
        yield {
            "first": first,
            "second": second,
            **asdict(difference(_scenes(found[first]), _scenes(found[second]))),
            "of_seeds": {
                str(seed): difference(_scenes(a[seed]), _scenes(b[seed])).value
                for seed in a.keys() & b.keys()
            },
        }


def _by_seed(runs: Sequence[Results]) -> dict[int, list[Results]]:
    groups: dict[int, list[Results]] = {}
    for run in runs:
        groups.setdefault(run["seed"], []).append(run)
    return groups


def _scenes(runs: Sequence[Results]) -> dict[str, tuple[float, float]]:
    return by_scene([image for run in runs for image in run["images"]])


def _scores(runs: Sequence[Results]) -> Iterator[ImageScore]:
    for run in runs:
        for image in run["images"]:
            yield ImageScore(**{k: v for k, v in image.items() if k != "scene"})


def _mean(rows: Sequence[Row]) -> Row:
    return {key: fmean(row[key] for row in rows) for key in rows[0]}
