"""A short fit on the project's scenes must beat copying NIR to grey, by a margin."""

import json

import pytest
from conftest import ROOT

from nirgan.cli import main


@pytest.mark.parametrize(
    ("network", "generator"),
    [
        ("triplet", "nirgan.networks.generators.triplet.Triplet"),
        ("flat", "nirgan.networks.generators.flat.Flat"),
    ],
)
def test_it_learns(network, generator, tmp_path):
    arguments = [
        f"--config={ROOT}/conf/quickstart.yaml",
        f"--name={network}",
        f"--model.generator={generator}",
        "--model.generator.widths=[12,12,12]",
        "--model.generator.kernels=[5,5,5]",
        "--model.generator.last_kernel=3",
        "--model.generator_optimizer.lr=0.01",
        f"--model.l1.layer={'red' if network == 'triplet' else 'branch'}.layers.0",
        "--model.discriminator.widths=[8,16]",
        "--model.discriminator.patch=32",
        "--data.source.count=30",
        "--data.patch=32",
        "--data.train_patches=640",
        "--data.val_patches=60",
        "--trainer.max_epochs=1",
        "--trainer.enable_progress_bar=false",
        f"--trainer.default_root_dir={tmp_path}",
    ]
    assert main(["fit", *arguments]) == 0
    rows = json.loads((tmp_path / network / "version_0/results.json").read_text())["rows"]
    error = {name: row["angular_error"] for name, row in rows.items()}
    assert error[network] < error["NIR copied to grey"] - 1.0
    assert error[network] < error["mean colour"] - 1.0


@pytest.mark.parametrize(
    ("system", "options"),
    [
        ("autoencoder", ["--model.generator.widths=[16,32]"]),
        ("limmer", ["--model.generator.widths=[12,12]", "--model.generator.joined=16"]),
        ("pix2pix", ["--model.generator.width=12", "--model.generator.depth=4"]),
    ],
)
def test_a_system_learns(system, options, tmp_path):
    arguments = [
        f"--config={ROOT}/conf/quickstart.yaml",
        f"--model={ROOT}/conf/model/{system}.yaml",
        f"--name={system}",
        "--data.source.count=30",
        "--data.patch=32",
        "--data.train_patches=640",
        "--data.val_patches=40",
        "--trainer.max_epochs=1",
        "--trainer.enable_progress_bar=false",
        f"--trainer.default_root_dir={tmp_path}",
        *options,
    ]
    assert main(["fit", *arguments]) == 0
    rows = json.loads((tmp_path / system / "version_0/results.json").read_text())["rows"]
    error = {name: row["angular_error"] for name, row in rows.items()}
    assert error[system] < error["NIR copied to grey"] - 1.0
