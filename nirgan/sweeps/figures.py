"""Draws a sweep with Optuna's plots, and writes them on one page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from optuna.study import Study, StudyDirection
from optuna.trial import TrialState
from optuna.visualization import matplotlib as plots

from nirgan.evaluation import page
from nirgan.sweeps.results import SweepResults, cells, sentence
from nirgan.sweeps.study import numbered_by_slot
from nirgan.utils.atomic_write import atomic_write, make_folder, write_text

CAPTIONS = {
    "history": "The metric of each trial; crosses were stopped early and show where they were "
    "then. The line is the best complete one so far.",
    "curves": "The metric at each validation, a line a trial; those stopped early end there.",
    "slices": "Each parameter against the metric, complete trials alone; the later, the darker.",
    "parallel": "A line a complete trial; the better, the darker.",
    "importance": "How much of the difference between good complete trials and all of them goes "
    "with each parameter (PED-ANOVA). Of few trials it says little.",
}
FIGURE_SIZES_INCHES = {"slices": (2.4, 2.8), "parallel": (1.8, 3.6)}
"""Width per parameter, and height; other figures have one size."""


def draw(study: Study, results: SweepResults, out: Path) -> None:
    """Draw what the trials allow into `figures/`, and all of it into `sweep.html`."""
    folder = out / "figures"
    make_folder(folder)
    by_slot = numbered_by_slot(study)
    plt.switch_backend("agg")
    pictures: list[page.Block] = []
    for name, drawing in _drawings(results).items():
        file = folder / f"{name}.png"
        if drawing is None:
            file.unlink(missing_ok=True)
            continue
        with mpl.rc_context({"figure.constrained_layout.use": True}):
            axes = np.atleast_1d(drawing(by_slot, target_name=results["metric"]))
            wide, high = FIGURE_SIZES_INCHES.get(name, (0, 3.2))
            figure = axes[0].figure
            figure.set_size_inches(max(7.0, 1.5 + wide * len(results["parameters"])), high)
            with atomic_write(file) as part:
                figure.savefig(part, dpi=110)
            plt.close(figure)
        pictures.append(("figure", (name, file.read_bytes(), [CAPTIONS[name]])))
    blocks = [
        ("h1", results["sweep"]),
        ("p", sentence(results)),
        *pictures,
        ("h2", "Trials"),
        ("table", cells(results)),
    ]
    write_text(out / "sweep.html", page.page(f"nirgan: {results['sweep']}", blocks))


def _drawings(results: SweepResults) -> dict[str, Callable[..., Any] | None]:
    """The function that draws each picture; None if there are too few trials."""
    judged = any(trial["curve"] for trial in results["trials"])
    complete = results["best"] is not None
    several = complete and len(results["parameters"]) > 1
    return {
        "history": _history if judged else None,
        "curves": _curves if judged else None,
        "slices": _slices if complete else None,
        "parallel": _parallel if several else None,
        "importance": plots.plot_param_importances if results["importance"] else None,
    }


def _history(study: Study, target_name: str) -> Axes:
    axes = plots.plot_optimization_history(study, target_name=target_name)
    stopped = [t for t in study.trials if t.state is TrialState.PRUNED and t.intermediate_values]
    if stopped:
        last = [t.intermediate_values[max(t.intermediate_values)] for t in stopped]
        axes.plot([t.number for t in stopped], last, "x", color="0.5", label="stopped early")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return axes


def _curves(study: Study, target_name: str) -> Axes:
    axes = plots.plot_intermediate_values(study)
    axes.set(title="Validations", xlabel="Validation", ylabel=target_name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if legend := axes.get_legend():
        legend.remove()  # a line a trial: the table says which
    return axes


def _slices(study: Study, target_name: str) -> Any:
    axes: Any = plots.plot_slice(study, target_name=target_name)
    for each in np.atleast_1d(axes):
        each.tick_params(axis="x", rotation=20)
    return axes


def _parallel(study: Study, target_name: str) -> Axes:
    axes = plots.plot_parallel_coordinate(study, target_name=target_name)
    maximize = study.direction is StudyDirection.MAXIMIZE
    axes.collections[0].set_cmap("viridis_r" if maximize else "viridis")  # no line is white
    return axes
