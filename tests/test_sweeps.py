"""Every sweep file against the command line's own parser, and against W&B's schema."""

import json
import subprocess
import sys
from zipfile import ZipFile

import pytest
import yaml
from conftest import ROOT

from nirgan.experiment.lightning_cli import configuration

SWEEPS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "sweeps").glob("*.yaml")}


@pytest.mark.parametrize("name", sorted(SWEEPS))
def test_every_parameter_is_one_that_fit_takes(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    sweep = SWEEPS[name]
    assert sweep["metric"] == {"name": "val/angular_error", "goal": "minimize"}
    command = [word for word in sweep["command"] if not word.startswith("${")]
    assert command[:2] == ["-m", "fit"]
    chosen = {
        key: spec["values"][0] if "values" in spec else spec["min"]  # written with an exponent
        for key, spec in sweep["parameters"].items()
    }
    # As W&B's agent writes them.
    config = configuration([*command[2:], *(f"--{key}={value}" for key, value in chosen.items())])
    for key, value in chosen.items():
        found = config
        for step in key.split("."):
            found = found["init_args"] if step not in found and "init_args" in found else found
            found = found[step]
        assert found == value


@pytest.mark.parametrize("name", sorted(SWEEPS))
def test_every_sweep_is_complete(name):
    sweep = SWEEPS[name]
    assert sweep["program"] == "nirgan"
    levels = name in ("noise_levels", "noise_strong")  # compare seeds: every run to its end
    assert sweep.get("early_terminate") == (
        None if levels else {"type": "hyperband", "min_iter": 1}
    )
    assert sweep["command"][:3] == ["${interpreter}", "-m", "${program}"]
    assert sweep["command"][-1] == "${args}"
    for spec in sweep["parameters"].values():
        if sweep["method"] == "grid":
            assert len(spec["values"]) > 1
        else:
            assert sweep["run_cap"] > 1
            assert spec["distribution"] == "log_uniform_values"
            assert 0 < spec["min"] < spec["max"]


def test_the_grid_holds_the_papers_noise_and_none():
    from nirgan.data.batches import PAPER_NOISE

    grid = SWEEPS["noise_grid"]["parameters"]
    for color, sigma in vars(PAPER_NOISE).items():
        assert {0.0, sigma} <= set(grid[f"data.noise.{color}"]["values"])


def test_levels_are_the_same_for_all_three_and_hold_the_papers(monkeypatch):
    from nirgan.sweeps.file import read

    monkeypatch.chdir(ROOT)
    sweep = read(ROOT / "sweeps/noise_levels.yaml")
    values = {point["data.noise.red"] for point in sweep.grid()}
    assert {0.0, 0.00012} <= values
    data = configuration(sweep.arguments({"seed_everything": 2, "data.noise.red": 0.03}))["data"]
    assert data["noise"] == {"red": 0.03, "green": 0.03, "blue": 0.03}
    assert data["seed"] == 2


def test_noise_and_weight_are_swept_alone_and_together():
    names = {name: set(sweep["parameters"]) for name, sweep in SWEEPS.items()}
    assert names["noise_l1"] == names["noise"] | names["l1"]
    assert names["noise_grid"] == names["noise"]


@pytest.fixture(scope="session")
def violations(tmp_path_factory):
    """What W&B's published schema has against a sweep.

    It is read from the package `sweeps`, which cannot be installed beside numpy 2.
    """
    from jsonschema import Draft7Validator

    folder = tmp_path_factory.mktemp("sweeps")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--retries=1", "--timeout=20"]
    got = subprocess.run(
        [*pip, "--no-deps", "--only-binary=:all:", f"--dest={folder}", "sweeps"],
        check=False,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    if "connection broken" in got.stderr and got.returncode:
        pytest.skip("no package registry can be reached, so W&B's schema cannot be read")
    assert got.returncode == 0, got.stderr
    (wheel,) = folder.glob("sweeps-*.whl")
    schema = json.loads(ZipFile(wheel).read("sweeps/config/schema.json"))
    Draft7Validator.check_schema(schema)
    errors = Draft7Validator(schema).iter_errors
    return lambda sweep: [f"{error.json_path}: {error.message}" for error in errors(sweep)]


@pytest.mark.parametrize("name", sorted(SWEEPS))
def test_every_sweep_is_one_by_the_published_schema(name, violations):
    found = violations(SWEEPS[name])
    assert not found, "\n".join(found)


def test_the_published_schema_names_a_fault(violations):
    (violation,) = violations(SWEEPS["noise"] | {"method": "bayesian"})
    assert "method" in violation
