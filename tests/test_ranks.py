"""Two processes on CPU, as `torchrun` or Lightning start them."""

import json
import os
import subprocess
import sys

import pytest
import torch
from conftest import ROOT


def fit(folder, runs, devices, batch):
    arguments = [
        f"--config={ROOT}/conf/triplet_urban_small.yaml",
        "--model.generator=plain_networks.PlainGenerator",
        "--model.discriminator=plain_networks.PlainDiscriminator",
        "--model.l1=null",
        *([f"--config={ROOT}/conf/trainer/ddp.yaml"] if devices > 1 else []),
        "--trainer.sync_batchnorm=false",  # is for GPUs alone
        "--model.channels_last=false",
        "--data.source=Folder",
        f"--data.source.nir={folder}/*_nir.png",
        f"--data.source.rgb={folder}/*_rgb.png",
        "--data.patch=32",
        "--data.train_patches=24",
        "--data.val_patches=13",
        f"--data.batch_size={batch}",
        "--data.num_workers=0",
        # Noise is drawn a batch; without it the batches of two ranks are the halves of one.
        "--data.noise={red: 0, green: 0, blue: 0}",
        "--trainer.precision=32",
        "--trainer.max_epochs=2",
        "--trainer.accelerator=cpu",
        f"--trainer.devices={devices}",
        f"--trainer.default_root_dir={runs}",
        "--trainer.enable_progress_bar=false",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests"), "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-m", "nirgan", "fit", *arguments],
        env=environment,
        check=True,
        timeout=150,
    )
    run = runs / "triplet_urban_small/version_0"
    checkpoint = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    return checkpoint, json.loads((run / "results.json").read_text())


@pytest.mark.xdist_group("ranks")
def test_two_ranks_of_four_equal_one_of_eight(pair_folder, tmp_path):
    alone, judged_alone = fit(pair_folder, tmp_path / "one", 1, 8)
    both, judged_both = fit(pair_folder, tmp_path / "two", 2, 4)
    assert sorted(p.name for p in (tmp_path / "two/triplet_urban_small").iterdir()) == ["version_0"]
    moved = 6 * 2e-4  # six steps of Adam
    for name, weight in alone["state_dict"].items():
        assert (weight - both["state_dict"][name]).abs().max() < 0.02 * moved, name
    name = "triplet_urban_small"
    assert judged_both["patches_seen"] == judged_alone["patches_seen"] == 48
    assert judged_both["rows"][name] == pytest.approx(judged_alone["rows"][name], rel=1e-3)
    best = [
        next(
            state["best_model_score"].item()
            for state in checkpoint["callbacks"].values()
            if state.get("best_model_score") is not None
        )
        for checkpoint in (alone, both)
    ]
    assert best[0] == pytest.approx(best[1], rel=1e-3)
