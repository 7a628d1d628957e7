"""A sweep in four pictures, and on one page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nirgan.evaluation import page
from nirgan.sweeps.results import Results, cells, sentence, shown
from nirgan.utils.atomic_write import make_folder, write_text

CAPTIONS = {
    "history": "The metric of each trial; crosses were stopped early and show where they were "
    "then. The line is the best complete one so far.",
    "slices": "Each parameter against the metric, complete trials alone; the later, the darker.",
    "parallel": "A line a trial; complete ones in color, those stopped early in grey.",
    "importance": "How much of the difference between good complete trials and all of them goes "
    "with each parameter (PED-ANOVA). Of few trials it says little.",
}
COLORS = mpl.colormaps["viridis"]


def draw(results: Results, out: Path) -> None:
    """Draw what the trials allow into `figures/`, and all of it into `sweep.html`."""
    folder = out / "figures"
    make_folder(folder)
    drawings = {
        "history": _history,
        "slices": _slices,
        "parallel": _parallel,
        "importance": _importance,
    }
    pictures = {}
    with mpl.rc_context({"font.size": 8, "savefig.dpi": 110}):
        for name, drawing in drawings.items():
            file = folder / f"{name}.png"
            file.unlink(missing_ok=True)
            if (figure := drawing(results)) is not None:
                figure.savefig(file)
                pictures[name] = file.read_bytes()
    write_text(out / "sweep.html", as_html(results, pictures))


def as_html(results: Results, pictures: Mapping[str, bytes]) -> str:
    """One page: what it came to, the pictures (PNG by name), every trial."""
    parts = [
        f"<h1>{page.text(results['sweep'])}</h1>",
        f"<p>{page.text(sentence(results))}</p>",
        *(page.figure(name, png, [CAPTIONS[name]]) for name, png in pictures.items()),
        f"<h2>Trials</h2>{page.table(cells(results))}",
    ]
    return page.page(f"nirgan: {results['sweep']}", parts)


def _history(results: Results) -> Figure | None:
    judged = [t for t in results["trials"] if t["value"] is not None]
    if not judged:
        return None
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    for state, mark in (("complete", "o"), ("stopped early", "x")):
        some = [t for t in judged if t["state"] == state]
        points = [t["number"] for t in some], [t["value"] for t in some]
        axes.plot(*points, mark, color=COLORS(0.3 if mark == "o" else 0.75), label=state)
    complete = _complete(results)
    if complete:
        better = np.maximum if results["maximize"] else np.minimum
        best = better.accumulate([t["value"] for t in complete])
        axes.step([t["number"] for t in complete], best, where="post", color="0.5", label="best")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    axes.set_ylabel(results["metric"])
    axes.legend()
    return figure


def _slices(results: Results) -> Figure | None:
    complete = _complete(results)
    if not complete:
        return None
    parameters = results["parameters"]
    figure = Figure(figsize=(max(3.5, 2.4 * len(parameters)), 2.8), layout="constrained")
    row: Sequence[Axes] = figure.subplots(1, len(parameters), sharey=True, squeeze=False)[0]
    values = [t["value"] for t in complete]
    for axes, parameter in zip(row, parameters, strict=True):
        places, labels = _axis(parameter, complete)
        numbers = [t["number"] for t in complete]
        axes.scatter(places, values, c=numbers, cmap="viridis_r", s=18)
        _label(axes.xaxis, labels)
        if parameter["log"]:
            axes.set_xscale("log")
        axes.set_xlabel(parameter["name"])
    row[0].set_ylabel(results["metric"])
    return figure


def _parallel(results: Results) -> Figure | None:
    complete = _complete(results)
    if not complete or len(results["parameters"]) < 2:
        return None
    trials = [t for t in results["trials"] if t["state"] == "stopped early"] + complete
    names = [parameter["name"] for parameter in results["parameters"]]
    figure = Figure(figsize=(2 + 1.8 * len(names), 3.6), layout="constrained")
    axes = figure.subplots()
    columns = []
    for place, parameter in enumerate(results["parameters"]):
        heights, ticks = _heights(parameter, trials)
        columns.append(heights)
        axes.axvline(place, color="0.8", zorder=0)
        for height, label in ticks:
            axes.annotate(label, (place, height), (4, 0), textcoords="offset points", fontsize=6)
    values = [t["value"] for t in complete]
    norm = Normalize(min(values), max(values))
    for trial, *heights in zip(trials, *columns, strict=True):
        done = trial["state"] == "complete"
        color = COLORS(norm(trial["value"])) if done else "0.85"
        axes.plot(range(len(names)), heights, color=color, linewidth=1.2 if done else 0.7)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks([])
    axes.set_frame_on(False)
    figure.colorbar(mpl.cm.ScalarMappable(norm, COLORS), ax=axes, label=results["metric"])
    return figure


def _importance(results: Results) -> Figure | None:
    shares = results["importance"]
    if not shares:
        return None
    figure = Figure(figsize=(6, 0.6 + 0.35 * len(shares)), layout="constrained")
    axes = figure.subplots()
    names = list(shares)[::-1]
    bars = axes.barh(names, [shares[name] for name in names], color=COLORS(0.3))
    axes.bar_label(bars, fmt="%.2f", padding=2)
    axes.set_xlim(0, 1.1)
    axes.set_xlabel("share")
    return figure


def _complete(results: Results) -> list[dict[str, Any]]:
    return [t for t in results["trials"] if t["state"] == "complete"]


def _axis(
    parameter: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]
) -> tuple[list[float], list[str] | None]:
    """Where each trial lies on a parameter's axis, and labels where it is one of a choice."""
    values = [t["values"][parameter["name"]] for t in trials]
    if parameter["values"] is None:
        return values, None
    return [float(parameter["values"].index(v)) for v in values], [*map(shown, parameter["values"])]


def _label(axis: Any, labels: Sequence[str] | None) -> None:
    if labels is not None:
        axis.set_ticks(range(len(labels)), labels, rotation=20, ha="right")


def _heights(
    parameter: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]
) -> tuple[list[float], list[tuple[float, str]]]:
    """Places between 0 and 1, and where which value is written."""
    places, labels = _axis(parameter, trials)
    if labels is not None:
        last = max(1, len(labels) - 1)
        return [p / last for p in places], [(i / last, text) for i, text in enumerate(labels)]
    scaled = np.log(places) if parameter["log"] else np.asarray(places, float)
    heights = (scaled - scaled.min()) / (np.ptp(scaled) or 1.0)
    return heights.tolist(), [(0.0, shown(min(places))), (1.0, shown(max(places)))]
