"""docs/slurm.sh, with an srun and an scontrol that only note what they are told."""

import os
import re
import shlex
import subprocess

import pytest
from conftest import ROOT

from nirgan.cli.main import main

pytestmark = pytest.mark.posix
NOTE = '#!/bin/bash\nprintf "%s\\n" "$@" > "$0.told"\nexit "${STATUS:-0}"\n'


@pytest.fixture
def job(tmp_path):
    for name in ("srun", "scontrol"):
        (tmp_path / name).write_text(NOTE)
        (tmp_path / name).chmod(0o755)

    def run(**variables):
        """The status, and what each of the two was told."""
        slurm = {
            "SLURM_JOB_ID": "7",
            "SLURM_NNODES": "2",
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
        }
        script = ["bash", str(ROOT / "docs/slurm.sh"), str(ROOT / "conf/flat_urban.yaml")]
        done = subprocess.run(
            script, env=os.environ | slurm | variables, cwd=tmp_path, check=False, timeout=20
        )
        told = {}
        for name in ("srun", "scontrol"):
            file = tmp_path / f"{name}.told"
            told[name] = file.read_text().splitlines() if file.exists() else []
        return done.returncode, told

    return run


def understood(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--print_config"])
    assert end.value.code == 0
    return capsys.readouterr().out


def test_a_job_starts_a_run_of_several_machines(job, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    status, told = job()
    assert (status, told["scontrol"]) == (0, [])
    command = told["srun"]
    command = command[command.index("nirgan") + 1 :]
    assert "--ckpt_path" not in command
    config = understood(command, capsys)
    assert "num_nodes: 2\n" in config
    assert "strategy: ddp_find_unused_parameters_true\n" in config
    assert "\nname: flat_urban-7\n" in config


def test_a_job_whose_time_is_up_is_queued_again_and_goes_on(job, tmp_path):
    status, told = job(STATUS="138")
    assert (status, told["scontrol"]) == (138, ["requeue", "7"])
    assert "--ckpt_path" not in job(SLURM_RESTART_COUNT="1")[1]["srun"]  # nothing was saved
    saved = tmp_path / "runs/flat_urban-7/version_0/checkpoints/last.ckpt"
    saved.parent.mkdir(parents=True)
    saved.touch()
    assert job(SLURM_RESTART_COUNT="1")[1]["srun"][-2:] == ["--ckpt_path", "last"]
    assert "--ckpt_path" not in job()[1]["srun"]


def test_a_job_that_fails_is_not_queued_again(job):
    status, told = job(STATUS="1")
    assert (status, told["scontrol"]) == (1, [])


def test_what_the_script_says_of_torchrun_is_understood(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = re.sub(r"\\\n#\s*", "", (ROOT / "docs/slurm.sh").read_text())
    command = shlex.split(re.search(r"^#\s+(torchrun .*)$", text, re.MULTILINE)[1])
    launcher, _, verb = command[: (at := command.index("-m"))], *command[at + 1 : at + 3]
    assert {"--nnodes=2", "--nproc-per-node=4"} < set(launcher)
    understood([verb, *command[at + 3 :]], capsys)
