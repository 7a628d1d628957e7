"""Two processes on CPU, as torchrun or Lightning start them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from conftest import ROOT, draw_pairs
from processes import Nirgan

from nirgan.cli.main import main
from nirgan.metrics import METRICS

pytestmark = [pytest.mark.xdist_group("ranks"), pytest.mark.posix]
NAME = "triplet_urban_small"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def common(folder, runs, ranks=1):
    return [
        f"--config={ROOT}/conf/{NAME}.yaml",
        "--model.generator=plain_networks.PlainGenerator",
        "--model.discriminator=plain_networks.PlainDiscriminator",
        "--model.l1=null",
        "--model.gradient_penalty=1",
        *([f"--config={ROOT}/conf/trainer/ddp-multinode.yaml"] if ranks > 1 else []),
        "--trainer.num_nodes=1",
        "--trainer.sync_batchnorm=false",  # is for GPUs alone
        "--trainer.use_distributed_sampler=true",  # as Lightning has it outside of `fit`
        "--model.channels_last=false",
        "--data.source=rank_callbacks.CountedFolder",
        f"--data.source.nir={folder}/*_nir.png",
        f"--data.source.rgb={folder}/*_rgb.png",
        "--data.patch=32",
        "--data.train_patches=24",
        "--data.val_patches=17",
        f"--data.batch_size={8 // ranks}",
        "--data.num_workers=0",
        # Noise is drawn a batch; without it the batches of two ranks are the halves of one.
        "--data.noise={red: 0, green: 0, blue: 0}",
        "--trainer.precision=64-true",
        "--trainer.max_epochs=2",
        "--trainer.accelerator=cpu",
        f"--trainer.devices={ranks}",
        f"--trainer.default_root_dir={runs}",
        "--trainer.enable_progress_bar=false",
    ]


def callback(name, **arguments):
    given = json.dumps({"class_path": f"rank_callbacks.{name}", "init_args": arguments})
    return f"--trainer.callbacks=[{given}]"


def start(folder, arguments, torchrun=None):
    """Arguments of nirgan, whose ranks Lightning starts, or what torchrun starts with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("NIRGAN_CACHE", str(folder / "store"))
        if torchrun is None:
            return Nirgan(*arguments)
        return subprocess.Popen(
            [*TORCHRUN, *torchrun, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def wait_for(file, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not file.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five pairs: the regions of whole pictures are no multiple of two."""
    folder = tmp_path_factory.mktemp("pairs")
    draw_pairs(folder, 5)
    return folder


@pytest.fixture(scope="module")
def runs(folder, tmp_path_factory):
    """The same experiment in one process and in two: fit, test, predict.

    The two then fit without an end, until their first process, torchrun, gets a signal.
    """
    alone, both = (tmp_path_factory.mktemp(name) for name in ("alone", "both"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIRGAN_CACHE", str(alone / "store"))
        options = [*common(folder, alone), callback("Tells", folder=str(alone))]
        assert main(["fit", *options]) == 0
        best = f"--ckpt_path={alone}/{NAME}/version_0/checkpoints/best.ckpt"
        for verb in ("test", "predict"):
            assert main([verb, *options, best]) == 0
    (folder / "decoded").unlink()
    options = [*common(folder, both, 2), callback("Tells", folder=str(both))]
    process = start(both, options, [str(ROOT / "tests/rank_program.py"), str(both / NAME)])
    wait_for(both / "signalled/batch-1", process, 300)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=100)
    return SimpleNamespace(alone=alone, both=both, said=said)


def checkpoint(runs, version=0):
    file = runs / NAME / f"version_{version}/checkpoints/last.ckpt"
    return torch.load(file, weights_only=True)


def test_all_ranks_have_the_same_parameters(runs):
    first, second = ((runs.both / f"hash-{rank}").read_text() for rank in (0, 1))
    assert first == second


def test_all_ranks_know_the_folder_that_the_first_has_claimed(runs):
    told = {(runs.both / f"run-{rank}").read_text() for rank in (0, 1)}
    assert told == {str(runs.both / NAME / "version_0")}


def test_two_ranks_of_four_equal_one_of_eight(runs):
    alone, both = checkpoint(runs.alone)["state_dict"], checkpoint(runs.both)["state_dict"]
    assert {weight.dtype for weight in both.values()} == {torch.float64}
    for name, weight in alone.items():
        assert (weight - both[name]).abs().max() < 1e-12, name
    seen = [
        json.loads((run / NAME / "version_0/results.json").read_text())["patches_seen"]
        for run in (runs.alone, runs.both)
    ]
    assert seen == [48, 48]


@pytest.mark.parametrize("stage", ["val", "test"])
def test_metrics_over_two_ranks_count_every_picture_once(stage, runs):
    alone = json.loads((runs.alone / f"{stage}-0.json").read_text())
    assert {f"{stage}/{name}" for name in METRICS} <= set(alone)
    for rank in (0, 1):
        both = json.loads((runs.both / f"{stage}-{rank}.json").read_text())
        assert both == pytest.approx(alone, rel=1e-6)


def test_ranks_share_the_validation_patches_out(runs):
    judged = [int((runs.both / f"judged-{rank}").read_text()) for rank in (0, 1)]
    assert sum(judged) == int((runs.alone / "judged-0").read_text())
    assert min(judged) > 0


def test_files_are_written_once(runs):
    def files(run):
        names = (f.relative_to(run) for f in run.rglob("*") if f.is_file())
        return sorted(str(name) for name in names if not str(name).startswith(("hash", "batch")))

    alone, both = (
        [name for name in files(run) if name.startswith(NAME)] for run in (runs.alone, runs.both)
    )
    assert both == alone
    versions = Counter(name.split("/")[1] for name in both)
    assert set(versions) == {"version_0", "version_1", "version_2"}  # fit, test, predict
    assert sum("predictions" in name for name in both) == 5
    written = Counter((runs.both / "written").read_text().splitlines())
    pictures = {name: times for name, times in written.items() if name.endswith(".png")}
    assert len(pictures) == sum(name.endswith(".png") for name in both)
    assert set(pictures.values()) == {1}


def test_one_rank_decodes_for_all(runs, folder):
    assert sorted((folder / "decoded").read_text().split()) == list("01234")


@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_on_one_rank_ends_all_though_the_other_is_stuck(rank, folder, tmp_path):
    fails = callback("Fails", rank=rank, folder=str(tmp_path))
    process = start(tmp_path, ["fit", *common(folder, tmp_path, 2), fails])
    wait_for(tmp_path / "failing", process)
    _, said = process.communicate(timeout=40)  # both have ended
    assert process.returncode not in (0, None)
    assert f"RuntimeError: rank {rank} has lost its way" in said


def said_once(said, runs):
    """That the state was saved, by one of the ranks; returns its number of updates."""
    lines = [line for line in said.splitlines() if line.startswith("nirgan fit: ")]
    updates = checkpoint(runs)["global_step"]  # of two networks
    assert len(lines) == 1, said
    assert lines[0].startswith(f"nirgan fit: stopped by SIGTERM after step {updates // 2}; ")
    return updates


def test_a_signal_to_torchrun_saves_the_state_once(runs):
    assert said_once(runs.said, runs.both / "signalled") > 0


def test_a_signal_to_the_first_process_saves_the_state_once(folder, tmp_path):
    options = [*common(folder, tmp_path, 2), callback("Tells", folder=str(tmp_path))]
    process = start(tmp_path, ["fit", *options, "--trainer.max_epochs=100000"])
    wait_for(tmp_path / "batch-1", process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=40)
    updates = said_once(said, tmp_path)
    assert process.returncode == 143
    assert "Traceback" not in said
    # One process goes on from what two have saved.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIRGAN_CACHE", str(tmp_path / "store"))
        epochs = f"--trainer.max_epochs={updates // 6 + 2}"
        assert main(["fit", *common(folder, tmp_path), epochs, "--ckpt_path=last"]) == 0
    assert checkpoint(tmp_path, 1)["global_step"] > updates
