"""Collects the results of a sweep: tables and the best configuration."""

from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nirgan.evaluation.markdown import table
from nirgan.experiment.lightning_cli import configuration
from nirgan.metrics import logged_text
from nirgan.sweeps.file import Range, Sweep, to_yaml
from nirgan.sweeps.study import numbered_by_slot, slots_of
from nirgan.sweeps.trial import ERROR, PROVENANCE
from nirgan.utils.atomic_write import write_text

SweepResults = dict[str, Any]

STATE_NAMES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "stopped early",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "unfinished",
    TrialState.WAITING: "waiting",
}


def collect(sweep: Sweep, study: Study) -> SweepResults:
    """All that tables and plots quote, as JSON holds it.

    Returns:
        sweep (the file), method, metric and maximize; parameters, each with name, log (whether its
        scale is logarithmic) and values (of a choice, or None); trials in the order of their
        numbers, each with number, state, values, value (the metric at the last validation), curve
        (the metric at each), seconds, error and made (commit, versions and machine); best (a
        trial's number, or None); importance (a share by parameter, PED-ANOVA over the complete
        trials; empty where they are too few).
    """
    trials = [_row(slot, trial) for slot, trial in slots_of(study).items()]
    complete = [t for t in trials if t["state"] == "complete"]
    best = sorted(complete, key=lambda t: t["value"], reverse=sweep.maximize)[:1]
    return {
        "sweep": str(sweep.file),
        "method": sweep.method,
        "metric": sweep.metric,
        "maximize": sweep.maximize,
        "parameters": [
            {
                "name": name,
                "log": isinstance(space, Range) and space.log,
                "values": None if isinstance(space, Range) else list(space.values),
            }
            for name, space in sweep.parameters.items()
        ],
        "trials": trials,
        "best": best[0]["number"] if best else None,
        "importance": _importance(study, len(complete)),
    }


def ranked(results: SweepResults) -> list[dict[str, Any]]:
    """The trials: complete ones, best first; those stopped early, the longest first; others."""
    sign = -1 if results["maximize"] else 1
    order = list(STATE_NAMES.values())

    def key(trial: dict[str, Any]) -> tuple[int, int, float, int]:
        length = len(trial["curve"]) if trial["state"] == "stopped early" else 0
        value = sign * (trial["value"] or 0.0)
        return order.index(trial["state"]), -length, value, trial["number"]

    return sorted(results["trials"], key=key)


def cells(results: SweepResults) -> list[list[str]]:
    """The table of trials: a head, then a row for each trial."""
    names = [parameter["name"] for parameter in results["parameters"]]
    lines = [["trial", *names, results["metric"], "validations", "minutes", "state"]]
    for trial in ranked(results):
        values, value, seconds = trial["values"], trial["value"], trial["seconds"]
        lines.append(
            [
                str(trial["number"]),
                *(format_value(values[name]) if name in values else "" for name in names),
                "" if value is None else logged_text(results["metric"], value),
                str(len(trial["curve"])),
                "" if seconds is None else f"{seconds / 60:.1f}",
                f"failed: {trial['error']}" if trial["error"] else trial["state"],
            ]
        )
    return lines


def markdown(results: SweepResults) -> str:
    """The summary sentence and the table of trials."""
    return f"{sentence(results)}\n\n{table(cells(results))}\n"


def sentence(results: SweepResults) -> str:
    """How many trials ended how, and the best."""
    states = [trial["state"] for trial in results["trials"]]
    counts = ", ".join(f"{states.count(n)} {n}" for n in STATE_NAMES.values() if n in states)
    text = f"{len(states)} trials: {counts}."
    if results["best"] is None:
        return f"{text} None is complete, so there is no best one."
    best = ranked(results)[0]
    values = ", ".join(f"{name} = {format_value(value)}" for name, value in best["values"].items())
    value = logged_text(results["metric"], best["value"])
    return f"{text} Best: trial {best['number']}, {results['metric']} {value}: {values}"


def write_best(sweep: Sweep, results: SweepResults, file: Path) -> None:
    """Write all of the best trial's configuration, for `fit --config`; or remove a former one."""
    if results["best"] is None:
        file.unlink(missing_ok=True)
        return
    best = ranked(results)[0]
    config = configuration([*sweep.arguments(best["values"]), "--trainer.logger=true"])
    config.pop("config", None)
    value = logged_text(results["metric"], best["value"])
    head = f"# Trial {best['number']} of {sweep.file}: {results['metric']} {value}\n"
    write_text(file, head + yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def format_value(value: Any) -> str:
    """Format a parameter's value."""
    return f"{value:.3g}" if isinstance(value, float) else to_yaml(value)


def _row(slot: int, trial: FrozenTrial) -> dict[str, Any]:
    curve = sorted(trial.intermediate_values.items())
    last = curve[-1][1] if curve else None
    return {
        "number": slot,
        "state": STATE_NAMES[trial.state],
        "values": trial.params,
        "value": trial.value if trial.value is not None else last,
        "curve": [list(point) for point in curve],
        "seconds": trial.duration.total_seconds() if trial.duration else None,
        "error": trial.user_attrs.get(ERROR) if trial.state is TrialState.FAIL else None,
        "made": trial.user_attrs.get(PROVENANCE),
    }


def _importance(study: Study, complete: int) -> dict[str, float]:
    if complete < 4:
        return {}
    try:
        return optuna.importance.get_param_importances(numbered_by_slot(study))
    except (ValueError, RuntimeError):  # all trials alike
        return {}
