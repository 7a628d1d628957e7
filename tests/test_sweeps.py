"""Every sweep file against the command line's own parser."""

import pytest
import yaml
from conftest import ROOT

from nirgan.cli import main

SWEEPS = sorted((ROOT / "sweeps").glob("*.yaml"))


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_parameter_is_one_that_fit_takes(path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    sweep = yaml.safe_load(path.read_text())
    assert sweep["metric"] == {"name": "val/angular_error", "goal": "minimize"}
    command = [word for word in sweep["command"] if not word.startswith("${")]
    assert command[:2] == ["-m", "fit"]
    chosen = {
        key: spec.get("min", spec.get("values", [None])[0])
        for key, spec in sweep["parameters"].items()
    }
    arguments = [
        f"--{key}={value}" for key, value in chosen.items()
    ]  # as wandb's agent writes them
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
