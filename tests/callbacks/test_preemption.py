"""Signals to a run in this process, at chosen moments."""

import os
import signal
from pathlib import Path

import pytest
import torch
from conftest import ROOT, draw_pairs
from processes import Nirgan
from test_experiments import tiny
from test_resume import assert_same, history

from nirgan.cli.main import main
from nirgan.tasks.base import ColorizationTask

pytestmark = pytest.mark.posix
NAME = "triplet_urban_small"
ON_WHOLE = pytest.mark.xdist_group("preemption")  # one process makes `whole`


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


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    draw_pairs(folder, 6)
    return folder


def arguments(pairs, runs):
    common = [f"--config={ROOT}/conf/{NAME}.yaml", *tiny(pairs, runs), "--trainer.precision=32"]
    averaging = "lightning.pytorch.callbacks.EMAWeightAveraging"
    return [
        *common,
        "--trainer.log_every_n_steps=1",
        "--data.train_patches=12",
        "--trainer.max_epochs=2",
        f"--trainer.callbacks=[{{class_path: {averaging}, init_args: {{decay: 0.5}}}}]",
    ]


@pytest.fixture
def run(pairs, tmp_path):
    def fit(*options, verb="fit"):
        return main([verb, *arguments(pairs, tmp_path / "runs"), *options])

    return fit


@pytest.fixture(scope="module")
def whole(pairs, tmp_path_factory):
    """The folder of a run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIRGAN_CACHE", str(folder / "store"))
        assert main(["fit", *arguments(pairs, folder)]) == 0
    return folder / NAME / "version_0"


def kills(*moments):
    """For each: a hook, the call of it that kills, and the signal."""
    callbacks = [
        f"{{class_path: rank_callbacks.Kills, init_args: {{hook: {hook}, call: {call}, "
        f"number: {int(number)}}}}}"
        for hook, call, number in moments
    ]
    return f"--trainer.callbacks+=[{', '.join(callbacks)}]"


def folder(tmp_path, version=0):
    return tmp_path / f"runs/{NAME}/version_{version}"


def state(tmp_path, version=0):
    return torch.load(folder(tmp_path, version) / "checkpoints/last.ckpt", weights_only=True)


def batches(checkpoint):
    """How many are in the weights."""
    return checkpoint["current_model_state"]["generator.red.norm.num_batches_tracked"].item()


MOMENTS = {
    "in a batch": (("on_train_batch_start", 2, signal.SIGTERM), 2),
    "in a validation": (("on_validation_batch_start", 3, signal.SIGINT), 3),
    "in the last validation": (("on_validation_batch_start", 6, signal.SIGTERM), 6),
}
"""An epoch has three batches and ends in a validation of two, as the sanity check has.

A signal, and how many batches are in the weights then.
"""


@ON_WHOLE
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_saves_the_state_and_a_resumed_run_ends_as_one_that_was_not_stopped(
    moment, run, whole, tmp_path, capsys
):
    kill, step = MOMENTS[moment]
    number = kill[-1]
    former = signal.getsignal(number)
    assert run(kills(kill)) == 128 + number
    assert signal.getsignal(number) is former
    said = capsys.readouterr()
    file = folder(tmp_path) / "checkpoints/last.ckpt"
    assert said.err.strip().splitlines()[-1] == (
        f"nirgan fit: stopped by {number.name} after step {step}; state saved in {file}; "
        "go on with --ckpt_path last"
    )
    assert "Traceback" not in said.err
    assert "NIR copied to grey" not in said.out
    assert batches(state(tmp_path)) == step
    assert run("--ckpt_path=last") == 0
    assert (folder(tmp_path, 1) / "table.md").is_file()
    assert batches(state(tmp_path, 1)) == 6
    assert len([row for row in history(folder(tmp_path, 1)) if row["val/psnr"]]) == 2
    # Where no batch follows, Lightning's counters stay as a validation that is begun anew has them.
    but = ["loops"] if moment == "in the last validation" else []
    assert_same(folder(tmp_path, 1), whole, but)


def test_a_signal_before_the_first_batch_leaves_nothing_to_go_on_from(run, tmp_path, capsys):
    in_the_sanity_check = "on_validation_batch_start", 1, signal.SIGTERM
    assert run(kills(in_the_sanity_check)) == 143
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error == (
        "nirgan fit: stopped by SIGTERM after step 0; nothing was learned yet, so start it again"
    )
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_run_that_keeps_no_state_stops_too(run, tmp_path, capsys):
    kill = kills(("on_train_batch_start", 2, signal.SIGTERM))
    assert run("--last=null", kill) == 143
    assert "stopped by SIGTERM after step 2; no state is kept" in capsys.readouterr().err
    assert not list(tmp_path.rglob("last.ckpt"))


@ON_WHOLE
def test_ctrl_c_outside_of_training_ends_with_its_own_status(run, whole, capsys):
    best = f"--ckpt_path={whole}/checkpoints/best.ckpt"
    for verb, hook in (("fit", "setup"), ("test", "on_test_batch_start")):
        capsys.readouterr()
        assert run(best, kills((hook, 1, signal.SIGINT)), verb=verb) == 130
        assert capsys.readouterr().err.strip().splitlines()[-1] == f"nirgan {verb}: interrupted"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@ON_WHOLE
def test_a_run_with_nothing_left_to_train_gives_ctrl_c_back(run, whole):
    former = signal.getsignal(signal.SIGINT)
    assert run(f"--ckpt_path={whole}/checkpoints/last.ckpt") == 0
    assert signal.getsignal(signal.SIGINT) is former


def test_a_run_in_the_background_stays_deaf_to_ctrl_c(run):
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as shells start it
    try:
        assert run(kills(("on_train_batch_start", 2, signal.SIGINT))) == 0
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
    assert not list(tmp_path.rglob("*.part*"))


@ON_WHOLE
def test_outside_of_training_a_signal_does_what_it_did(run, whole, unhandled):
    first = "on_validation_batch_start", 1, signal.SIGUSR1
    second = "on_validation_batch_end", 1, signal.SIGTERM
    best = f"--ckpt_path={whole}/checkpoints/best.ckpt"
    assert run(best, kills(first, second), verb="validate") == 0
    assert unhandled == [signal.SIGUSR1, signal.SIGTERM]


def ended(pairs, tmp_path, *options):
    """The status of a process of its own, and what it has said."""
    process = Nirgan("fit", *arguments(pairs, tmp_path / "runs"), *options)
    _, said = process.communicate(timeout=120)
    return process.returncode, said


def test_a_second_ctrl_c_ends_at_once(pairs, tmp_path):
    hooks = "on_train_batch_start", "on_train_batch_end"
    status, said = ended(pairs, tmp_path, kills(*((hook, 1, signal.SIGINT) for hook in hooks)))
    assert status == -signal.SIGINT, said  # which shells show as 130
    assert "stops after this batch and saves its state; Ctrl-C once more ends at once" in said
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_signal_to_the_loading_processes_too_loses_nothing(pairs, tmp_path):
    kill = kills(("on_train_batch_start", 2, signal.SIGTERM)).replace("hook:", "group: true, hook:")
    status, said = ended(pairs, tmp_path, kill, "--data.num_workers=2")
    assert status == 143, said
    assert "Traceback" not in said
    assert batches(state(tmp_path)) == 2


def test_under_slurm_lightning_leaves_no_state_for_other_experiments(run, tmp_path, monkeypatch):
    slurm = {"NTASKS": 1, "JOB_ID": 7, "JOB_NAME": "nirgan", "PROCID": 0, "LOCALID": 0, "NODEID": 0}
    for name, value in slurm.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    assert run(kills(("on_train_batch_start", 2, signal.SIGUSR1))) == 138
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
