"""Weights & Biases: sweeps and runs against a server on this machine, and runs without one."""

import csv
import logging
import math
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import wandb
import yaml
from conftest import ROOT
from lightning.pytorch.callbacks import Callback
from processes import Nirgan
from test_experiments import tiny
from wandb_server import KEY, WandbServer

from nirgan.cli.main import main
from nirgan.experiment.lightning_cli import fit
from nirgan.experiment.wandb_logger import TIMEOUTS_S

NAME = "triplet_urban_small_reconstruction"


@pytest.fixture
def at_home(tmp_path, monkeypatch):
    """Nothing of W&B's outside of the test's folder, and a session of its own."""
    for name in ("DIR", "CACHE_DIR", "CONFIG_DIR", "DATA_DIR", "ARTIFACT_DIR"):
        monkeypatch.setenv(f"WANDB_{name}", str(tmp_path / "wandb-home"))
    (tmp_path / "wandb-home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "wandb-home"))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB__FILE_STREAM_TRANSMIT_INTERVAL", "0.1")
    for name in (*TIMEOUTS_S, "WANDB_HTTP_TIMEOUT"):
        monkeypatch.setenv(name, "60")
    monkeypatch.delenv("WANDB_FINISH_TIMEOUT_RAISES")
    monkeypatch.chdir(tmp_path)
    wandb.teardown()
    yield
    wandb.teardown()


@pytest.fixture
def said(caplog):
    """What runs tell about W&B."""
    lines = []
    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    with caplog.at_level("INFO", "lightning.pytorch"):  # the verb `benchmark` keeps it quieter
        yield lambda: [line for line in lines if "Weights & Biases" in line]
    logger.removeHandler(handler)


def arguments(pairs, *options):
    config = f"--config={ROOT}/conf/{NAME}.yaml"
    return [config, f"--config={ROOT}/conf/trainer/wandb.yaml", *tiny(pairs, "runs"), *options]


def history(version=0):
    with Path(f"runs/{NAME}/version_{version}/metrics.csv").open() as lines:
        rows = [row["val/angular_error"] for row in csv.DictReader(lines)]
    return [float(value) for value in rows if value]


def started(module, *words):
    """A command of the Python that runs the tests, which is what `python` means to it too."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    modules = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    return subprocess.run(
        [sys.executable, "-m", module, *words],
        env=os.environ | {"PATH": path, "PYTHONPATH": modules, "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=300,
    )


def sweep(server, file, count):
    started("wandb", "sweep", str(file))
    (number,) = server.sweeps
    started("wandb", "agent", f"tester/nirgan/{number}", f"--count={count}")
    return list(server.runs.values())


@pytest.fixture
def tiny_place(pair_folder, tmp_path, at_home, capsys):
    """A folder in which the sweeps' experiment is a tiny one, all else as it is."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    shutil.copytree(ROOT / "sweeps", tmp_path / "sweeps")
    file = tmp_path / "conf" / f"{NAME}.yaml"
    for copy in (tmp_path / "sweeps").glob("*.yaml"):
        text = copy.read_text().replace("train_patches=1280", "train_patches=8")
        copy.write_text(text.replace("val_patches=500", "val_patches=6"))
    with pytest.raises(SystemExit):
        main(["fit", f"--config={file}", *tiny(pair_folder, "runs"), "--print_config"])
    file.write_text(capsys.readouterr().out)
    return tmp_path


def test_a_sweeps_run_gets_its_parameters_trains_and_reports(tiny_place, monkeypatch):
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        (run,) = sweep(server, "sweeps/noise_l1.yaml", 1)
    parameters = yaml.safe_load(Path("sweeps/noise_l1.yaml").read_text())["parameters"]
    assert run.args == {key: spec["min"] for key, spec in parameters.items()}
    assert run.exit_code == 0
    assert run.config["data"]["noise"]["red"] == run.args["data.noise.red"]
    assert run.config["model"]["init_args"]["l1"]["weight"] == run.args["model.l1.weight"]
    (error,) = run.values("val/angular_error")
    assert math.isfinite(error)
    assert run.summary["val/angular_error"] == error
    assert any(name.startswith("media/images/val/whole") for name in run.files)


class Fails(Callback):
    def on_validation_start(self, trainer, pl_module):
        if not trainer.sanity_checking:
            raise RuntimeError("on purpose")


def test_a_run_that_fails_is_reported_as_failed_and_the_next_one_is_another(
    at_home, pair_folder, monkeypatch, said
):
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        with pytest.raises(RuntimeError, match="on purpose"):
            fit(arguments(pair_folder), [Fails()])
        fit(arguments(pair_folder))
    failed, finished = server.runs.values()
    assert failed.exit_code == 1
    assert finished.exit_code == 0
    assert finished.values("val/angular_error") == history(version=1)
    assert said() == []


def closed_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@pytest.mark.parametrize("trouble", ["no server", "a wrong key"])
def test_a_run_that_cannot_be_shown_goes_on_and_is_sent_later(
    trouble, at_home, pair_folder, monkeypatch, said
):
    for name in ("WANDB_INIT_TIMEOUT", "WANDB_HTTP_TIMEOUT"):
        monkeypatch.setenv(name, "2")
    with WandbServer() as server:
        url = f"http://127.0.0.1:{closed_port()}" if trouble == "no server" else server.url
        monkeypatch.setenv("WANDB_BASE_URL", url)
        if trouble == "a wrong key":
            monkeypatch.setenv("WANDB_API_KEY", "b" * 40)
        fit(arguments(pair_folder))
        assert server.runs == {}
        assert bool(server.refused) == (trouble == "a wrong key")
        assert len(history()) == 1
        (folder,) = Path("runs/wandb").glob("offline-run-*")
        (line,) = said()
        assert line.startswith("Weights & Biases shows nothing of this run: ")
        assert line.endswith(f"send it later with `wandb sync {folder}`.")
        reasons = {"no server": "refused", "a wrong key": "invalid API key"}
        assert reasons[trouble] in line


def test_a_server_that_dies_in_the_middle_costs_seconds_and_is_told_once(
    at_home, pair_folder, monkeypatch
):
    monkeypatch.setenv("WANDB_FINISH_TIMEOUT", "3")
    waits = ["--trainer.max_epochs=3", "--trainer.callbacks=wandb_server.WaitsForTheEnd"]
    with WandbServer(dies_after=1) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        _, said = Nirgan("fit", *arguments(pair_folder, *waits)).communicate(timeout=120)
        assert server.dead.is_set()
    assert len(history()) == 3
    (run,) = server.runs.values()
    assert run.exit_code is None
    assert len(run.values("val/angular_error")) < 3
    (line,) = [line for line in said.splitlines() if "Weights & Biases" in line]
    (folder,) = Path("runs/wandb").glob("run-*")
    assert line.startswith("Weights & Biases no longer answers")
    assert line.endswith(f"send the rest later with `wandb sync --include-online {folder}`.")
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        started("wandb", "sync", "--include-online", str(folder))
    (run,) = server.runs.values()
    assert run.values("val/angular_error") == history()


def test_no_wait_is_long_and_a_persons_own_limit_stands(at_home, pair_folder, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "77")
    monkeypatch.delenv("WANDB_FINISH_TIMEOUT")
    monkeypatch.delenv("WANDB_LOGIN_TIMEOUT")
    fit(arguments(pair_folder))
    settings = wandb.setup().settings
    assert (settings.init_timeout, settings.login_timeout, settings.finish_timeout) == (77, 60, 30)
    assert float(TIMEOUTS_S["WANDB_INIT_TIMEOUT"]) <= 60
    assert len(history()) == 1  # on disk, too
    files = [p.name for p in Path("runs/wandb").rglob("*") if p.is_file()]
    assert any(name.endswith(".wandb") for name in files)
    assert any(name.startswith("patches_") and name.endswith(".png") for name in files)


def test_two_runs_of_one_process_without_a_key_are_two_runs_and_each_is_told(
    at_home, pair_folder, monkeypatch, said
):
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("WANDB_API_KEY")
    for _ in range(2):
        fit(arguments(pair_folder))
    folders = list(Path("runs/wandb").glob("offline-run-*"))
    assert len(folders) == 2
    assert len(said()) == 2
    assert all("No API key" in line for line in said())
    assert all(any(str(folder) in line for line in said()) for folder in folders)
