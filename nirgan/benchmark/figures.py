"""The paper's figures 3 and 4, whole pictures with their errors, and learning curves.

Everything is drawn from what the runs have left; no network is needed. Each figure is written as
PNG and as PDF. The samples are chosen by the split's seed, the same for every method.
"""

from collections.abc import Sequence
from itertools import cycle
from math import ceil
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from nirgan.benchmark.runner import samples_file
from nirgan.benchmark.suite import GREY_ROW, Run, Suite
from nirgan.benchmark.tables import Results
from nirgan.data.protocols import SplitProtocol
from nirgan.evaluation.figure_samples import FigureSamples
from nirgan.metrics import MAIN, METRICS
from nirgan.utils.atomic_write import atomic_write, write_text

TITLE_CHARACTERS = 14
"""Most characters in a line of a column's title, so that it does not reach the next one."""

MAX_ERROR_DEG = 20.0
"""Degrees at the end of the error maps' colors; a larger error has the last color."""


def draw(suite: Suite, runs: Sequence[Run], results: Results, out: Path) -> None:
    """Draw all figures of finished runs into `figures/`, and drop those of former suites.

    `shown.txt` there lists what they show.
    """
    folder = out / "figures"
    lines: list[str] = []
    drawn: list[str] = []
    with mpl.rc_context({"font.size": 7, "axes.titlesize": 7, "savefig.dpi": 90}):
        for protocol in suite.protocols:
            samples = _load_samples(suite, runs, protocol, out)
            if not samples:
                continue
            drawn += _save(_patches(suite, samples), folder / f"patches-{protocol}")
            drawn += _save(_pictures(suite, samples), folder / f"pictures-{protocol}")
            for category, methods in samples.items():
                splits = methods[GREY_ROW]
                places = "; ".join(place for split in splits for place in split.places)
                lines.append(f"patches-{protocol}: {category}, from above: {places}")
                lines.append(f"pictures-{protocol}: {splits[0].whole}")
        drawn += _save(_curves(results), folder / "curves")
    curves = f"{METRICS[MAIN].label} on validation patches against training patches seen"
    lines.append(f"curves: {curves}")
    write_text(folder / "shown.txt", "\n".join(lines) + "\n")
    for old in (*folder.glob("[!.]*.png"), *folder.glob("[!.]*.pdf")):  # but not temporary files
        if old.name not in drawn:
            old.unlink(missing_ok=True)


Samples = dict[str, dict[str, list[FigureSamples]]]
"""By category and method: the samples of each split that all methods have, of the first seed."""


def _load_samples(suite: Suite, runs: Sequence[Run], protocol: SplitProtocol, out: Path) -> Samples:
    found: dict[str, dict[str, dict[int, FigureSamples]]] = {}
    first = suite.seeds_of(protocol)[0]
    for run in runs:
        if run.protocol != protocol or not (run.one_pass or run.seed == first):
            continue
        for category in suite.judged_on(run):
            if (file := samples_file(out / "runs" / run.key, category)).exists():
                of_category = found.setdefault(category, {})
                of_category.setdefault(run.method, {})[run.fold] = FigureSamples.load(file)
    samples: Samples = {}
    for category, methods in found.items():
        names = [GREY_ROW, *suite.trained]
        folds = [f for f in suite.folds_of(protocol) if all(f in methods.get(n, {}) for n in names)]
        if folds:
            samples[category] = {name: [methods[name][f] for f in folds] for name in names}
    return samples


def _patches(suite: Suite, samples: Samples) -> Figure:
    columns = ["NIR", *suite.trained, "truth"]
    rows, labels = [], []
    for category, methods in samples.items():
        for number, split in enumerate(methods[GREY_ROW]):
            for patch in range(len(split.places)):
                outputs = [methods[name][number].output[patch] for name in suite.trained]
                rows.append([split.nir[patch], *outputs, split.truth[patch]])
                labels.append(category)
    figure, axes = _grid(columns, labels, [row[0].shape for row in rows], width=1.0)
    for line, row in zip(axes, rows, strict=True):
        for axis, picture in zip(line, row, strict=True):
            _picture(axis, picture)
    return figure


def _pictures(suite: Suite, samples: Samples) -> Figure:
    columns = ["NIR", *suite.trained, "truth"]
    labels = [label for category in samples for label in (category, "error")]
    shapes = [m[GREY_ROW][0].whole_nir.shape for m in samples.values() for _ in range(2)]
    figure, axes = _grid(columns, labels, shapes, width=1.5)
    maps = None
    for row, methods in enumerate(samples.values()):
        grey = methods[GREY_ROW][0]
        first = [methods[name][0] for name in suite.trained]
        pictures = [grey.whole_nir, *(s.whole_output for s in first), grey.whole_truth]
        for axis, picture in zip(axes[2 * row], pictures, strict=True):
            _picture(axis, picture)
            for edge in grey.strip:
                if 0 < edge < grey.whole_nir.shape[1]:
                    axis.axvline(edge, color="white", linewidth=0.6, linestyle=":")
        for axis, split in zip(axes[2 * row + 1], [grey, *first], strict=False):
            angles = split.whole_angles.astype(np.float32)
            maps = axis.imshow(angles, cmap="magma", vmin=0, vmax=MAX_ERROR_DEG)
    if maps is not None:
        bar = figure.colorbar(maps, ax=axes[:, -1], location="right", shrink=0.6, extend="max")
        bar.set_label(METRICS["angular_error"].heading)  # whatever `MAIN` is
    return figure


def _curves(results: Results) -> Figure:
    trained = {run["category"] for run in results["runs"]}
    panels = {
        (one["category"] if one["category"] in trained else "all", one["protocol"]): None
        for one in results["tables"]
    }
    colors = mpl.color_sequences["tab10" if len(results["methods"]) <= 10 else "tab20"]
    columns = min(4, len(panels) + 1)  # of the legend, as many as fit below the panels
    height = 2.3 + 0.13 * ceil(len(results["methods"]) / columns)
    figure = Figure(figsize=(3.2 * max(2, len(panels)), height), layout="constrained")
    for axis, what in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        runs = [r for r in results["runs"] if (r["category"], r["protocol"]) == what]
        for name, color in zip(results["methods"], cycle(colors), strict=False):
            _curve(axis, name, color, [r for r in runs if r["method"] == name])
        axis.set(title=", ".join(what), xlabel="training patches seen", ylim=(0, None))
    figure.axes[0].set_ylabel(METRICS[MAIN].heading)
    lines = {line.get_label(): line for axis in figure.axes for line in axis.lines}
    handles = [lines[name] for name in results["methods"] if name in lines]  # of any panel
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def _curve(axis: Axes, name: str, color: Any, runs: Sequence[dict[str, Any]]) -> None:
    histories = [np.array(run["history"], float) for run in runs if run["history"]]
    if not histories:
        return
    if runs[0]["one_pass"]:
        level = float(np.mean([history[0, 1] for history in histories]))
        axis.axhline(level, color=color, linestyle="--", linewidth=1, label=name)
        return
    for history in histories:
        axis.plot(*history.T, color=color, linewidth=0.4, alpha=0.5)
    points = min(map(len, histories))
    mean = np.mean([history[:points] for history in histories], axis=0)
    axis.plot(*mean.T, color=color, marker=".", label=name)


def _grid(
    columns: Sequence[str], labels: Sequence[str], shapes: Sequence[Sequence[int]], width: float
) -> tuple[Figure, Any]:
    """Empty axes in rows as high as their pictures, `width` inches wide; a label stands once."""
    heights = [width * shape[0] / shape[1] for shape in shapes]
    tight = ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
    figure = Figure(figsize=(width * len(columns) + 0.2, sum(heights) + 0.3), layout=tight)
    axes = figure.subplots(len(labels), len(columns), squeeze=False, height_ratios=heights)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for axis, title in zip(axes[0], columns, strict=True):
        axis.set_title(fill(title, TITLE_CHARACTERS))
    for number, label in enumerate(labels):
        if number == 0 or labels[number - 1] != label:
            axes[number, 0].set_ylabel(label)
    return figure, axes


def _picture(axis: Axes, picture: Any) -> None:
    axis.imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")


def _save(figure: Figure, place: Path) -> list[str]:
    files = [place.with_suffix(kind) for kind in (".png", ".pdf")]
    for file in files:
        with atomic_write(file) as part:
            figure.savefig(part)
    return [file.name for file in files]
