"""Every sweep file against the command line's own parser."""

import pytest
import yaml
from conftest import ROOT

from nirgan.cli import main

SWEEPS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "sweeps").glob("*.yaml")}


def ends(spec):
    """Every value of a grid, or the two ends of a distribution."""
    return spec["values"] if "values" in spec else [spec["min"], spec["max"]]


@pytest.mark.parametrize("name", sorted(SWEEPS))
def test_every_parameter_is_one_that_fit_takes(name, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    sweep = SWEEPS[name]
    assert sweep["metric"] == {"name": "val/angular_error", "goal": "minimize"}
    command = [word for word in sweep["command"] if not word.startswith("${")]
    assert command[:2] == ["-m", "fit"]
    values = {key: ends(spec) for key, spec in sweep["parameters"].items()}
    for number in range(max(map(len, values.values()))):
        chosen = {key: of_key[min(number, len(of_key) - 1)] for key, of_key in values.items()}
        # As W&B's agent writes them.
        arguments = [f"--{key}={value}" for key, value in chosen.items()]
        with pytest.raises(SystemExit) as end:
            main([*command[1:], *arguments, "--print_config"])
        assert end.value.code == 0
        config = yaml.safe_load(capsys.readouterr().out)
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
    levels = name == "noise_levels"  # compares seeds, so every run goes to its end
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
    from nirgan.data.datamodule import PAPER_NOISE

    grid = SWEEPS["noise_grid"]["parameters"]
    for colour, sigma in vars(PAPER_NOISE).items():
        assert {0.0, sigma} <= set(grid[f"data.noise.{colour}"]["values"])


def test_levels_are_the_same_for_all_three_and_hold_the_papers(capsys, monkeypatch):
    from nirgan.experiment import configuration
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
