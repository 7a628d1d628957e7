"""Reading a sweep file of Weights & Biases.

https://docs.wandb.ai/models/sweeps/sweep-config-keys tells what one may hold. What cannot be done
without W&B's server is refused by name, not passed over.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from math import exp, floor
from pathlib import Path
from typing import Any, Literal

import yaml

from nirgan.errors import NirganError
from nirgan.experiment.config_errors import check_files
from nirgan.utils.config_files import read_utf8
from nirgan.utils.nearest_name import did_you_mean

Value = bool | int | float | str | None
SearchMethod = Literal["grid", "random", "bayes"]

MACROS = ("${env}", "${interpreter}", "${program}", "${args}")
KEYS = {
    *("program", "method", "metric", "parameters", "command", "early_terminate", "run_cap"),
    *("name", "description", "project", "entity"),
}
SPACE_KEYS = {"value", "values", "probabilities", "distribution", "min", "max"}
METRIC_KEYS = {"name", "goal", "target"}
HYPERBAND_KEYS = {"type", "min_iter", "max_iter", "s", "eta", "strict"}
MAX_LOGARITHM = 700
"""Largest exponent that is accepted; `exp` overflows above 709."""


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Range:
    """A number between two, both included."""

    low: float
    high: float
    log: bool = False  # evenly distributed in its logarithm
    whole: bool = False  # whole numbers alone


Space = Choice | Range


@dataclass(frozen=True)
class Hyperband:
    """When runs are stopped early; an iteration is a validation."""

    first: int  # first iteration at which runs may stop
    eta: int  # one of so many runs continues each time


@dataclass(frozen=True)
class Sweep:
    """The content of a sweep file."""

    file: Path
    method: SearchMethod
    metric: str  # name of the logged metric
    maximize: bool
    parameters: Mapping[str, Space]  # by the option's name
    hyperband: Hyperband | None  # None: every run goes to its end
    run_cap: int | None  # trials at most
    command: tuple[str, ...]  # arguments of `fit`, `${args}` among them

    def arguments(self, values: Mapping[str, Value]) -> list[str]:
        """The arguments of `fit`; values are YAML, so None is `null`."""
        given = [f"--{name}={to_yaml(value)}" for name, value in values.items()]
        return [w for word in self.command for w in (given if word == "${args}" else [word])]

    def grid(self) -> list[dict[str, Value]]:
        """Every combination of the values."""
        every = [
            s.values if isinstance(s, Choice) else range(int(s.low), int(s.high) + 1)
            for s in self.parameters.values()
        ]
        return [dict(zip(self.parameters, point, strict=True)) for point in product(*every)]

    def ends(self) -> list[dict[str, Value]]:
        """Points that hold every value of a choice and both ends of a range."""
        spaces = self.parameters.values()
        every = [s.values if isinstance(s, Choice) else (s.low, s.high) for s in spaces]
        return [
            {name: v[i % len(v)] for name, v in zip(self.parameters, every, strict=True)}
            for i in range(max(map(len, every)))
        ]


def read(file: Path) -> Sweep:
    """Read a sweep file.

    Raises:
        NirganError: It is not one, or asks for what only W&B's server can do.
    """
    check_files(["--config", str(file)])
    content = yaml.safe_load(read_utf8(file))
    try:
        return _sweep(file, content)
    except NirganError as error:
        raise NirganError(f"{file}: {error}") from error


def to_yaml(value: Any) -> str:
    """Format a value for the parser of `fit`: YAML in one line; a string stays as it is."""
    if isinstance(value, str):
        return value
    text: str = yaml.safe_dump(value, default_flow_style=True, width=math.inf)
    return text.removesuffix("...\n").strip()


def _sweep(file: Path, content: dict[str, Any]) -> Sweep:
    _check_keys("", content, KEYS)
    method = content.get("method")
    if method not in ("grid", "random", "bayes"):
        raise NirganError(f"method: expected grid, random or bayes, got {method}")
    parameters = content.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        raise NirganError("parameters: expected an option and its values or distribution")
    spaces = {str(name): _space(str(name), given) for name, given in parameters.items()}
    if method == "grid":
        for name, space in spaces.items():
            if isinstance(space, Range) and not space.whole:
                raise NirganError(f"parameters.{name}: a grid needs values: [...]")
    metric = content.get("metric")
    if not isinstance(metric, dict) or "name" not in metric:
        raise NirganError("metric: expected {name: val/angular_error, goal: minimize}")
    _check_keys("metric", metric, METRIC_KEYS)
    if "target" in metric:
        raise NirganError("metric.target goes only with W&B's server")
    goal = metric.get("goal", _goal(str(metric["name"])))
    if goal not in ("minimize", "maximize"):
        raise NirganError(f"metric.goal: expected minimize or maximize, got {goal}")
    cap = content.get("run_cap")
    if cap is not None and (not isinstance(cap, int) or cap < 1):
        raise NirganError(f"run_cap: expected 1 or more, got {cap}")
    return Sweep(
        file=file,
        method=method,
        metric=str(metric["name"]),
        maximize=goal == "maximize",
        parameters=spaces,
        hyperband=_hyperband(content.get("early_terminate")),
        run_cap=cap,
        command=_fit_arguments(content.get("command")),
    )


def _goal(metric: str) -> str:
    from nirgan.metrics import larger_is_better  # noqa: PLC0415 (help comes at once)

    return "maximize" if larger_is_better(metric) else "minimize"


def _fit_arguments(command: Any) -> tuple[str, ...]:
    example = "[${interpreter}, -m, nirgan, fit, --config, FILE, ${args}]"
    if not isinstance(command, list) or "fit" not in command:
        raise NirganError(f"command: expected {example}")
    words = [to_yaml(word) for word in command]
    arguments = words[words.index("fit") + 1 :]
    if "${args}" not in arguments:
        raise NirganError(f"command: ${{args}} is missing after fit; expected {example}")
    for word in words:
        if word.startswith("${") and word not in MACROS:
            raise NirganError(f"command: {word} goes only with W&B's agent; use {MACROS[-1]}")
    return tuple(arguments)


def _hyperband(given: Any) -> Hyperband | None:
    where = "early_terminate"
    if given is None:
        return None
    if not isinstance(given, dict) or given.get("type") != "hyperband":
        raise NirganError(f"{where}: expected {{type: hyperband, min_iter: 1}}")
    _check_keys(where, given, HYPERBAND_KEYS)
    if given.get("strict"):
        raise NirganError(f"{where}.strict goes only with W&B's server")
    eta, s = int(_number(where, given, "eta", 3)), int(_number(where, given, "s", 1))
    if eta < 2:
        raise NirganError(f"{where}.eta: expected 2 or more, got {eta}")
    if "min_iter" in given:
        return Hyperband(max(1, int(_number(where, given, "min_iter"))), eta)
    if "max_iter" not in given:
        raise NirganError(f"{where}: expected min_iter, or max_iter and s")
    return Hyperband(max(1, floor(int(_number(where, given, "max_iter")) / eta**s)), eta)


def _check_keys(where: str, given: Iterable[Any], known: set[str]) -> None:
    for key in given:
        if key not in known:
            of = f"{where}: " if where else ""
            raise NirganError(f"{of}no key {key!r}{did_you_mean(str(key), known)}")


def _number(where: str, given: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = given.get(key, default)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise NirganError(f"{where}.{key}: expected a number, got {value}")
    return number


def _space(name: str, given: Any) -> Space:
    where = f"parameters.{name}"
    if not isinstance(given, dict):
        raise NirganError(f"{where}: expected value, values, or min and max")
    if "parameters" in given:
        raise NirganError(f"{where}: write nested parameters with dots, as data.noise.red")
    _check_keys(where, given, SPACE_KEYS)
    if "value" in given:
        return Choice((given["value"],))
    if "values" in given:
        if given.get("probabilities"):
            raise NirganError(f"{where}.probabilities goes only with W&B's server")
        if not isinstance(given["values"], list) or not given["values"]:
            raise NirganError(f"{where}.values: expected a list")
        return Choice(tuple(given["values"]))
    if not {"min", "max"} <= given.keys():
        raise NirganError(f"{where}: expected value, values, or min and max")
    low, high = (_number(where, given, key) for key in ("min", "max"))
    if low >= high:
        raise NirganError(f"{where}: min is {low}, expected less than max, {high}")
    return _range(where, given, low, high)


def _range(where: str, given: Mapping[str, Any], low: float, high: float) -> Range:
    both_whole = all(isinstance(given[key], int) for key in ("min", "max"))
    distribution = given.get("distribution", "int_uniform" if both_whole else "uniform")
    if distribution == "log_uniform" and high > MAX_LOGARITHM:
        raise NirganError(f"{where}.max: a natural logarithm, expected {MAX_LOGARITHM} or less")
    ranges = {
        "int_uniform": lambda: Range(int(low), int(high), whole=True),
        "uniform": lambda: Range(low, high),
        "log_uniform": lambda: Range(exp(low), exp(high), log=True),
        "log_uniform_values": lambda: Range(low, high, log=True),
    }
    if distribution not in ranges:
        raise NirganError(
            f"{where}.distribution: expected {', '.join(ranges)}; {distribution} goes only with "
            "W&B's server"
        )
    if distribution == "log_uniform_values" and low <= 0:
        raise NirganError(f"{where}.min: expected more than 0 for a logarithm, got {low}")
    return ranges[distribution]()
