"""A short fit on the project's scenes must beat copying NIR to grey, by a margin."""

import json

import pytest
import torch
from conftest import ROOT

from nirgan.cli.main import main
from nirgan.data.datamodule import PatchDataModule
from nirgan.data.sources.synthetic import Synthetic
from nirgan.evaluation.evaluate import aggregate, judge
from nirgan.networks.generators.baselines import GreyCopy
from nirgan.networks.generators.irony import Irony
from nirgan.networks.generators.welsh import Welsh

SYSTEMS = {  # one of each kind of loss, as few patches as they need
    "triplet_small_reconstruction": [
        "--model.generator.widths=[12,12,12]",
        "--model.generator.kernels=[5,5,5]",
        "--model.generator.last_kernel=3",
        "--model.generator_optimizer.lr=0.01",
        "--model.discriminator.widths=[8,16]",
        "--model.discriminator.patch=32",
        "--model.l1.layer=red.layers.0",
        "--data.train_patches=240",
    ],
    "iizuka_small": [
        "--model.generator.width=8",
        "--model.generator.size=32",
        "--data.train_patches=400",
    ],
    "zhang_small": [
        "--model.generator.width=8",
        "--model.uniform=1.0",  # with rare colors favored, so few patches are chance
        "--data.batch_size=8",
        "--data.train_patches=480",
    ],
}


def fitted(method, folder, *options):
    """The rows of the table of a short fit."""
    arguments = [
        f"--config={ROOT}/conf/quickstart.yaml",
        f"--model={ROOT}/conf/model/{method}.yaml",
        f"--name={method}",
        "--data.source.count=30",
        "--trainer.max_epochs=1",
        "--trainer.num_sanity_val_steps=0",
        "--trainer.enable_progress_bar=false",
        f"--trainer.default_root_dir={folder}",
        *options,
    ]
    assert main(["fit", *arguments]) == 0
    return json.loads((folder / method / "version_0/results.json").read_text())["rows"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_learns(system, tmp_path):
    patches = ["--data.patch=32", "--data.val_patches=40"]
    rows = fitted(system, tmp_path, *patches, *SYSTEMS[system])
    error = {name: row["angular_error"] for name, row in rows.items()}
    assert error[system] < error["NIR copied to grey"] - 0.6
    assert error[system] < error["mean color"] - 0.6


@pytest.mark.parametrize("method", [Welsh, Irony])
def test_color_by_example_is_better_than_grey_where_the_example_shows_the_same(method):
    data = PatchDataModule(Synthetic(count=20, categories=["oldbuilding"]), patch=32)
    data.prepare_data()
    data.setup()
    network = method()
    for stored in data.training_regions():
        batch = data.on_after_batch_transfer(stored, 0)
        network.update(batch["nir"], batch["rgb"])
    error = {
        type(colorize).__name__: aggregate(
            score.sums
            for score in judge(colorize, data.validation_regions(), data, torch.device("cpu"))
        )["angular_error"]
        for colorize in (network, GreyCopy())
    }
    assert error[method.__name__] < error["GreyCopy"] - 1.5


def test_an_encoder_that_knows_pictures_learns_more_in_the_same_time(tmp_path):
    patches = {"scene_unet": 96, "compact": 128}  # what takes them as long
    error = {}
    for method, count in patches.items():
        options = [f"--data.train_patches={count}", "--data.val_patches=20"]
        rows = fitted(method, tmp_path, *options)
        error[method] = rows[method]["angular_error_colored"]
    assert error["scene_unet"] < error["compact"] - 0.15
