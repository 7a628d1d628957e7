"""Signals to a run in this process, at chosen moments."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from test_experiments import tiny
from test_resume import assert_same

from nirgan.cli.main import main
from nirgan.tasks.base import ColorizationTask

pytestmark = pytest.mark.posix
NAME = "triplet_urban_small"


@pytest.fixture(autouse=True)
def unhandled():
    """The signals that no run has taken."""
    received = []
    former = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in (signal.SIGTERM, signal.SIGUSR1)
    }
    yield received
    for number, handler in former.items():
        signal.signal(number, handler)


@pytest.fixture
def run(pair_folder, tmp_path):
    def fit(*options, verb="fit"):
        common = [f"--config={ROOT}/conf/{NAME}.yaml", *tiny(pair_folder, tmp_path / "runs")]
        exact = ["--trainer.precision=32", "--data.train_patches=12", "--trainer.max_epochs=2"]
        return main([verb, *common, *exact, *options])

    return fit


def kills(hook, call=1, number=signal.SIGTERM):
    given = f"{{hook: {hook}, call: {call}, number: {int(number)}}}"
    return f"--trainer.callbacks=[{{class_path: rank_callbacks.Kills, init_args: {given}}}]"


def folder(tmp_path, version=0):
    return tmp_path / f"runs/{NAME}/version_{version}"


def state(tmp_path, version=0):
    return torch.load(folder(tmp_path, version) / "checkpoints/last.ckpt", weights_only=True)


def batches(checkpoint):
    """How many are in the weights."""
    return checkpoint["state_dict"]["generator.red.norm.num_batches_tracked"].item()


def validations(tmp_path, version):
    file = folder(tmp_path, version) / "metrics.csv"
    if not file.exists():
        return []
    with file.open() as lines:
        return [float(row["val/psnr"]) for row in csv.DictReader(lines) if row["val/psnr"]]


MOMENTS = {
    "in a batch": (kills("on_train_batch_start", 2), 2),
    "in the last batch of an epoch": (kills("on_train_batch_start", 3), 3),
    "in a validation": (kills("on_validation_batch_start", 3), 3),
    "in the last validation": (kills("on_validation_batch_start", 6), 6),
}
"""An epoch has three batches and ends in a validation of two, as the sanity check has."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_saves_the_state_and_a_resumed_run_reaches_the_end(moment, run, tmp_path, capsys):
    kill, step = MOMENTS[moment]
    former = signal.getsignal(signal.SIGTERM)
    assert run(kill) == 143
    assert signal.getsignal(signal.SIGTERM) is former
    said = capsys.readouterr()
    file = folder(tmp_path) / "checkpoints/last.ckpt"
    assert said.err.strip().splitlines()[-1] == (
        f"nirgan fit: stopped by SIGTERM after step {step}; state saved in {file}; "
        "go on with --ckpt_path last"
    )
    assert "Traceback" not in said.err
    assert "NIR copied to grey" not in said.out
    assert batches(state(tmp_path)) == step
    assert run("--ckpt_path=last") == 0
    assert batches(state(tmp_path, 1)) == 6
    assert (folder(tmp_path, 1) / "table.md").is_file()
    assert len(validations(tmp_path, 1)) == 2


@pytest.mark.parametrize("moment", ["in a batch", "in a validation"])
def test_a_resumed_run_ends_as_one_that_was_not_stopped(moment, run, tmp_path):
    often = "--trainer.log_every_n_steps=1"
    assert run(often) == 0
    assert run(often, MOMENTS[moment][0]) == 143
    assert run(often, f"--ckpt_path={folder(tmp_path, 1)}/checkpoints/last.ckpt") == 0
    assert_same(folder(tmp_path, 2), folder(tmp_path, 0))


def test_a_signal_before_the_first_batch_leaves_nothing_to_go_on_from(run, tmp_path, capsys):
    assert run(kills("on_validation_batch_start")) == 143  # in the sanity check
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error == (
        "nirgan fit: stopped by SIGTERM after step 0; nothing was learned yet, so start it again"
    )
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGINT"])
def test_slurms_signal_and_ctrl_c_have_a_status_of_their_own(name, run, tmp_path, capsys):
    number = signal.Signals[name]
    former = signal.getsignal(number)
    assert run(kills("on_train_batch_start", 2, number)) == 128 + number
    assert signal.getsignal(number) is former
    file = folder(tmp_path) / "checkpoints/last.ckpt"
    assert capsys.readouterr().err.strip().splitlines()[-1] == (
        f"nirgan fit: stopped by {name} after step 2; state saved in {file}; "
        "go on with --ckpt_path last"
    )
    assert batches(state(tmp_path)) == 2


def test_ctrl_c_outside_of_training_ends_with_its_own_status(run, tmp_path, capsys):
    assert run("--trainer.max_epochs=1") == 0
    best = f"--ckpt_path={folder(tmp_path)}/checkpoints/best.ckpt"
    for verb, hook in (("fit", "setup"), ("test", "on_test_batch_start")):
        capsys.readouterr()
        assert run(best, kills(hook, 1, signal.SIGINT), verb=verb) == 130
        assert capsys.readouterr().err.strip().splitlines()[-1] == f"nirgan {verb}: interrupted"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_run_with_nothing_left_to_train_gives_ctrl_c_back(run, tmp_path):
    former = signal.getsignal(signal.SIGINT)
    assert run() == 0
    assert run(f"--ckpt_path={folder(tmp_path)}/checkpoints/last.ckpt") == 0
    assert signal.getsignal(signal.SIGINT) is former


def test_a_run_in_the_background_stays_deaf_to_ctrl_c(run):
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as shells start it
    try:
        assert run(kills("on_train_batch_start", 2, signal.SIGINT)) == 0
    finally:
        signal.signal(signal.SIGINT, former)


def test_a_signal_while_a_checkpoint_is_written_waits_for_it(run, tmp_path, monkeypatch):
    sync, left = os.fsync, [1]

    def signalled(handle):
        if ".ckpt" in str(Path(f"/proc/self/fd/{handle}").readlink()) and left[0]:
            left[0] -= 1
            os.kill(os.getpid(), signal.SIGTERM)
        sync(handle)

    monkeypatch.setattr("os.fsync", signalled)
    assert run() == 143  # in the save after the first validation
    assert batches(state(tmp_path)) == 3
    assert not list(tmp_path.rglob("*.part"))


def test_outside_of_training_a_signal_does_what_it_did(run, tmp_path, unhandled):
    assert run("--trainer.max_epochs=1") == 0
    best = f"--ckpt_path={folder(tmp_path)}/checkpoints/best.ckpt"
    for number in (signal.SIGUSR1, signal.SIGTERM):
        assert run(best, kills("on_validation_batch_start", 1, number), verb="validate") == 0
    assert unhandled == [signal.SIGUSR1, signal.SIGTERM]


def process(pair_folder, tmp_path, *options):
    common = [f"--config={ROOT}/conf/{NAME}.yaml", *tiny(pair_folder, tmp_path / "runs")]
    return subprocess.run(
        [sys.executable, "-m", "nirgan", "fit", *common, *options],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
        start_new_session=True,
    )


def test_a_second_ctrl_c_ends_at_once(pair_folder, tmp_path):
    twice = ", ".join(
        kills(hook, 1, signal.SIGINT).partition("=[")[2].removesuffix("]")
        for hook in ("on_train_batch_start", "on_train_batch_end")
    )
    ended = process(pair_folder, tmp_path, f"--trainer.callbacks=[{twice}]")
    assert ended.returncode == -signal.SIGINT, ended.stderr  # which shells show as 130
    assert (
        "stops after this batch and saves its state; Ctrl-C once more ends at once" in ended.stderr
    )
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_signal_to_the_loading_processes_too_loses_nothing(pair_folder, tmp_path):
    kill = kills("on_train_batch_start", 2).replace("hook:", "group: true, hook:")
    ended = process(pair_folder, tmp_path, kill, "--data.num_workers=2")
    assert ended.returncode == 143, ended.stderr
    assert "Traceback" not in ended.stderr
    assert batches(state(tmp_path)) == 2


def test_under_slurm_lightning_leaves_no_state_for_other_experiments(run, tmp_path, monkeypatch):
    slurm = {"NTASKS": 1, "JOB_ID": 7, "JOB_NAME": "nirgan", "PROCID": 0, "LOCALID": 0, "NODEID": 0}
    for name, value in slurm.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    assert run(kills("on_train_batch_start", 2, signal.SIGUSR1)) == 138
    assert not list((tmp_path / "runs").rglob("hpc_ckpt*"))
    handlers = []
    monkeypatch.setattr(
        ColorizationTask,
        "on_validation_start",
        lambda task: handlers.append(signal.getsignal(signal.SIGUSR1)),
        raising=False,
    )
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)  # Lightning takes it over where nobody has
    last = f"--ckpt_path={folder(tmp_path)}/checkpoints/last.ckpt"
    assert run(last, verb="validate") == 0
    assert handlers == [signal.SIG_DFL]
