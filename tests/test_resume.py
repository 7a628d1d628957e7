"""A run that was killed and went on ends as one that was never interrupted, to the bit."""

import csv
import json
import re
import shutil
import signal
import socket

import pytest
import torch
from conftest import ROOT
from killing import NEVER, killed, start
from test_experiments import SYSTEMS, tiny, tiny_data

from nirgan.cli.main import main

pytestmark = pytest.mark.posix
SHORT = [
    "--name=x",
    "--data.train_patches=28",  # 7 batches an epoch
    "--trainer.max_epochs=2",
    "--trainer.precision=32",
    "--trainer.log_every_n_steps=1",
    "--trainer.enable_model_summary=false",
    "--last.every_batches=2",
]

DRAWING = {
    "pix2pix": [
        *SYSTEMS["pix2pix"],
        "--model.discriminator=nirgan.networks.virtual_batch_norm.VirtualBatchNormalized",
        "--model.discriminator.network=nirgan.networks.discriminators.patch.PatchGAN",
        "--model.discriminator.network.widths=[4,4]",
    ],
    "cyclegan": [*SYSTEMS["cyclegan"], "--model.pool=3"],
}


def options(name, folder, runs, *more):
    if name == "triplet":
        common = [f"--config={ROOT}/conf/triplet_urban_small.yaml", *tiny(folder, runs)]
        common.append("--model.scheduler=to-zero")
    else:
        model = f"--model={ROOT}/conf/model/{name}.yaml"
        common = [model, *tiny_data(folder, runs), *DRAWING[name]]
    return [*common, *SHORT, *more]


def comparable(value):
    """A part of a checkpoint such that equal ones are equal to the bit, whatever the folder."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype), value.shape, value.contiguous().numpy().tobytes()
    if isinstance(value, dict):
        return {comparable(k): comparable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [comparable(v) for v in value]
    return re.sub("^/.*/version_[0-9]+/", "", value) if isinstance(value, str) else value


def history(run):
    with (run / "metrics.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert rows
    return [{k: v for k, v in row.items() if k != "train/patches_per_second"} for row in rows]


def files(run):
    return sorted(file.name for file in (run / "checkpoints").iterdir())


def assert_same(run, reference, but=()):
    assert files(run) == files(reference)
    for name in files(reference):
        found, expected = (
            torch.load(folder / "checkpoints" / name, weights_only=True)
            for folder in (run, reference)
        )
        assert found.keys() == expected.keys()
        for part in expected.keys() - set(but):
            assert comparable(found[part]) == comparable(expected[part]), (name, part)
    assert history(run) == history(reference)


def rows(run):
    return json.loads((run / "results.json").read_text())["rows"]


def ends_the_same(points, name, folder, tmp_path, *more):
    """A reference, then for each point a run that is killed there and goes on."""
    whole = tmp_path / "whole"
    assert main(["fit", *options(name, folder, whole, *more)]) == 0
    for point in points:
        runs = tmp_path / "-".join(map(str, point))
        killed(options(name, folder, runs, *more), point)
        assert main(["fit", *options(name, folder, runs, *more), "--ckpt_path=last"]) == 0
        assert_same(runs / "x/version_1", whole / "x/version_0")
        assert rows(runs / "x/version_1") == rows(whole / "x/version_0")


def test_killed_between_any_two_checkpoints(pair_folder, tmp_path):
    """What is killed does nothing more: its newest file is all that a moment can make differ."""
    points = [
        ("end of a batch", 13),  # last.ckpt is the newest, of the batch before
        ("before a checkpoint", 3),  # best.ckpt is, of the validation
    ]
    ends_the_same(points, "triplet", pair_folder, tmp_path, "--trainer.val_check_interval=0.5")


def test_killed_twice_and_the_best_ones_taken_over_and_at_last_with_workers(pair_folder, tmp_path):
    more = [
        "--trainer.val_check_interval=0.5",
        "--checkpoint.mode=max",
        "--checkpoint.save_top_k=2",
        "--checkpoint.filename=best-{step}",
    ]
    whole, runs = tmp_path / "whole", tmp_path / "runs"
    assert main(["fit", *options("triplet", pair_folder, whole, *more)]) == 0
    assert files(whole / "x/version_0") == ["best-step=12.ckpt", "best-step=20.ckpt", "last.ckpt"]
    killed(options("triplet", pair_folder, runs, *more), ("start of a batch", 8))
    again = [*options("triplet", pair_folder, runs, *more), "--ckpt_path=last"]
    killed(again, ("end of a batch", 4))
    assert main(["fit", *again, "--data.num_workers=2"]) == 0
    assert_same(runs / "x/version_2", whole / "x/version_0")
    assert rows(runs / "x/version_2") == rows(whole / "x/version_0")
    # What the first took from was left as it was.
    assert files(runs / "x/version_0") == ["best-step=12.ckpt", "best-step=6.ckpt", "last.ckpt"]


def test_a_run_with_an_end_in_steps_goes_on_after_an_epoch(pair_folder, tmp_path):
    more = ["--trainer.max_steps=24", "--last.every_batches=null"]  # of both optimizers: 12 batches
    ends_the_same([("end of a batch", 10)], "triplet", pair_folder, tmp_path, *more)


@pytest.mark.xdist_group("ranks")
@pytest.mark.parametrize("name", DRAWING)
def test_two_ranks_go_on_with_what_a_method_draws_and_keeps(name, pair_folder, tmp_path):
    more = [
        "--trainer.strategy=ddp_find_unused_parameters_true",
        "--trainer.devices=2",
        "--data.batch_size=2",
    ]
    whole, runs = tmp_path / "whole", tmp_path / "runs"
    both(options(name, pair_folder, whole, *more))
    both(options(name, pair_folder, runs, *more), ("start of a batch", 6))
    both([*options(name, pair_folder, runs, *more), "--ckpt_path=last"])
    assert_same(runs / "x/version_1", whole / "x/version_0")


def both(arguments, point=NEVER):
    """Fit on two ranks, as if `torchrun` had started them, until both are killed or end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [start(arguments, point, LOCAL_RANK=str(rank), **place) for rank in range(2)]
    for rank in ranks:
        rank.join(150)
    expected = 0 if point == NEVER else -signal.SIGKILL
    assert [rank.exitcode for rank in ranks] == [expected, expected]


def test_a_checkpoint_without_its_run_begins_a_history_and_a_best_of_its_own(
    pair_folder, tmp_path, recwarn
):
    common = options("triplet", pair_folder, tmp_path / "runs", "--last.every_batches=5")
    killed(common, ("start of a batch", 10))
    moved = tmp_path / "elsewhere/last.ckpt"
    moved.parent.mkdir()
    shutil.copy(tmp_path / "runs/x/version_0/checkpoints/last.ckpt", moved)
    shutil.rmtree(tmp_path / "runs/x/version_0")
    assert main(["fit", *common, f"--ckpt_path={moved}"]) == 0
    run = tmp_path / "runs/x/version_0"
    assert min(int(row["step"]) for row in history(run)) == 7
    assert files(run) == ["best.ckpt", "last.ckpt"]
    assert any("best.ckpt is not there: the best" in str(w.message) for w in recwarn.list)
