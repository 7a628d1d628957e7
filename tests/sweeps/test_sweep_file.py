"""Reading sweep files."""

import math

import pytest
import yaml
from conftest import ROOT

from nirgan.errors import NirganError
from nirgan.experiment.lightning_cli import configuration
from nirgan.sweeps.file import Choice, Hyperband, Range, read

GOOD = {
    "program": "nirgan",
    "method": "bayes",
    "metric": {"name": "val/angular_error", "goal": "minimize"},
    "parameters": {"data.noise.red": {"min": 0.1, "max": 0.5}},
    "command": ["${env}", "${interpreter}", "-m", "${program}", "fit", "--a=1", "${args}", "--b=2"],
}


def written(folder, **changes):
    file = folder / "mine.yaml"
    content = {k: v for k, v in (GOOD | changes).items() if v is not None}
    file.write_text(yaml.safe_dump(content))
    return file


VALUES = {
    "model.scheduler": (None, "null"),
    "data.store": (None, "null"),
    "data.noise.red": (1e-05, "1.0e-05"),
    "model.saturating": (True, "true"),
    "model.generator_optimizer.betas": ([0.5, 0.999], "[0.5, 0.999]"),
    "model.lr_factors": ({"generator": 0.5}, "{generator: 0.5}"),
    "model.gradient_clip_norm": (math.inf, ".inf"),
    "name": ("1e-5", "1e-5"),
}
"""By option, a value of a sweep file, and how it is handed on."""


def test_values_stand_where_the_command_says_and_the_parser_reads_them_as_they_were(tmp_path):
    command = ["fit", f"--config={ROOT}/conf/triplet_urban_small.yaml", "${args}", "--data.fold", 2]
    sweep = read(written(tmp_path, command=command))
    arguments = sweep.arguments({name: value for name, (value, _) in VALUES.items()})
    given = [f"--{name}={text}" for name, (_, text) in VALUES.items()]
    assert arguments == [command[1], *given, "--data.fold", "2"]
    config = configuration(arguments)
    for name, (value, _) in VALUES.items():
        found = config
        for key in name.split("."):
            found = found.get("init_args", found)[key]
        assert found == value, name
    # As W&B's own agent hands on null.
    config = configuration([command[1], "--model.scheduler=None", "--data.store=None"])
    assert (config["model"]["init_args"]["scheduler"], config["data"]["store"]) == (None, None)


SPACES = {
    "a value": ({"value": 3}, Choice((3,))),
    "values": ({"values": [1, "a", None]}, Choice((1, "a", None))),
    "whole numbers": ({"min": 1, "max": 4}, Range(1, 4, whole=True)),
    "numbers": ({"min": 0.5, "max": 4}, Range(0.5, 4)),
    "uniform": ({"distribution": "uniform", "min": 1, "max": 4}, Range(1, 4)),
    "a logarithm": (
        {"distribution": "log_uniform_values", "min": 0.001, "max": 1},
        Range(0.001, 1, log=True),
    ),
    "exponents": (
        {"distribution": "log_uniform", "min": -2, "max": 1},
        Range(math.exp(-2), math.e, log=True),
    ),
}


@pytest.mark.parametrize("name", SPACES)
def test_a_parameter_may_be(name, tmp_path):
    given, expected = SPACES[name]
    assert read(written(tmp_path, parameters={"x": given})).parameters == {"x": expected}


def test_hyperband_begins_where_the_file_says(tmp_path):
    def hyperband(**given):
        return read(written(tmp_path, early_terminate={"type": "hyperband", **given})).hyperband

    assert hyperband(min_iter=2) == Hyperband(first=2, eta=3)
    assert hyperband(max_iter=27, s=2) == Hyperband(first=3, eta=3)
    assert hyperband(max_iter=16, s=1, eta=4) == Hyperband(first=4, eta=4)
    assert read(written(tmp_path)).hyperband is None


def test_a_grid_has_every_combination(tmp_path):
    parameters = {"x": {"values": ["a", "b"]}, "y": {"min": 1, "max": 3}, "z": {"value": 7}}
    grid = read(written(tmp_path, method="grid", parameters=parameters)).grid()
    assert len(grid) == 6
    assert {tuple(point.items()) for point in grid} == {
        (("x", x), ("y", y), ("z", 7)) for x in "ab" for y in (1, 2, 3)
    }


def test_the_ends_hold_every_value(tmp_path):
    parameters = {"x": {"values": ["a", "b", "c"]}, "y": {"min": 0.5, "max": 1}}
    ends = read(written(tmp_path, parameters=parameters)).ends()
    assert {point["x"] for point in ends} == {"a", "b", "c"}
    assert {point["y"] for point in ends} == {0.5, 1}


MISTAKES = {
    "no key 'methd'; did you mean 'method'?": {"methd": "grid"},
    "method: expected grid, random or bayes, got hyper": {"method": "hyper"},
    "parameters: expected an option": {"parameters": {}},
    "parameters.x: no key 'distributon'; did you mean 'distribution'?": {
        "parameters": {"x": {"min": 0, "max": 1, "distributon": "uniform"}}
    },
    "parameters.x.max: expected a number, got inf": {
        "parameters": {"x": {"min": 0, "max": math.inf}}
    },
    "parameters.x.max: a natural logarithm": {
        "parameters": {"x": {"min": 0, "max": 800, "distribution": "log_uniform"}}
    },
    "metric: no key 'gaol'; did you mean 'goal'?": {"metric": {"name": "val/psnr", "gaol": "x"}},
    "early_terminate.eta: expected a number, got abc": {
        "early_terminate": {"type": "hyperband", "min_iter": 1, "eta": "abc"}
    },
    "parameters.x: expected value, values, or min and max": {"parameters": {"x": {"min": 1}}},
    "parameters.x.values: expected a list": {"parameters": {"x": {"values": []}}},
    "parameters.x: min is 2.0, expected less than max, 1.0": {
        "parameters": {"x": {"min": 2, "max": 1}}
    },
    "parameters.x: write nested parameters with dots": {
        "parameters": {"x": {"parameters": {"y": {"value": 1}}}}
    },
    "parameters.x.probabilities goes only with W&B's server": {
        "parameters": {"x": {"values": [1, 2], "probabilities": [0.1, 0.9]}}
    },
    "parameters.x.distribution: expected int_uniform, uniform": {
        "parameters": {"x": {"distribution": "q_uniform", "min": 1, "max": 2}}
    },
    "parameters.x.min: expected more than 0 for a logarithm": {
        "parameters": {"x": {"distribution": "log_uniform_values", "min": 0, "max": 2}}
    },
    "parameters.data.noise.red: a grid needs values": {"method": "grid"},
    "metric: expected {name: val/angular_error": {"metric": "val/angular_error"},
    "metric.goal: expected minimize or maximize, got min": {"metric": {"name": "x", "goal": "min"}},
    "run_cap: expected 1 or more, got 0": {"run_cap": 0},
    "command: expected [${interpreter}, -m, nirgan, fit": {"command": ["python", "${args}"]},
    "command: ${args} is missing after fit": {"command": ["${args}", "fit"]},
    "${args_json} goes only with W&B's agent": {"command": ["fit", "${args}", "${args_json}"]},
    "early_terminate: expected {type: hyperband": {"early_terminate": {"type": "envelope"}},
    "early_terminate: expected min_iter, or max_iter": {"early_terminate": {"type": "hyperband"}},
    "early_terminate.eta: expected 2 or more, got 1": {
        "early_terminate": {"type": "hyperband", "eta": 1, "min_iter": 1}
    },
    "early_terminate.strict goes only with W&B's server": {
        "early_terminate": {"type": "hyperband", "min_iter": 1, "strict": True}
    },
    "metric.target goes only with W&B's server": {"metric": {"name": "val/psnr", "target": 30}},
}


@pytest.mark.parametrize("said", MISTAKES)
def test_a_mistake_is_one_line_with_the_files_name(said, tmp_path):
    file = written(tmp_path, **MISTAKES[said])
    with pytest.raises(NirganError) as error:
        read(file)
    assert str(error.value).startswith(f"{file}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_none_is_named(tmp_path):
    with pytest.raises(NirganError, match=r"nope.yaml: no such file"):
        read(tmp_path / "nope.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1\n")
    with pytest.raises(NirganError, match=r"bad.yaml, line 2, column 1: not YAML"):
        read(tmp_path / "bad.yaml")
