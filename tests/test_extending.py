"""What docs/architecture.md says of adding things: each is one file, named by its path."""

import json
import textwrap

import pytest
import torch
from conftest import ROOT

from nirgan.cli.main import main
from nirgan.experiment.lightning_cli import configuration

MINE = """
import lightning
import numpy as np
import torch
from torch import nn
from torch.nn.functional import mse_loss

from nirgan.data.images import signed_to_unit
from nirgan.data.sources.base import Pair, PairSource
from nirgan.tasks.base import ColorizationTask


class Generator(nn.Module):
    def __init__(self, width: int = 4):
        super().__init__()
        first = nn.Conv2d(3, width, 3, padding=1)
        self.layers = nn.Sequential(first, nn.Conv2d(width, 3, 1), nn.Tanh())

    def forward(self, triplet):
        return self.layers(triplet)


class Discriminator(nn.Module):
    def __init__(self, width: int = 4):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(4, width, 4, 2), nn.Conv2d(width, 1, 1))

    def forward(self, rgb, nir):
        return self.layers(torch.cat([rgb, nir], 1))


class MyPair(Pair):
    def load(self):
        rgb = np.random.default_rng(int(self.id)).integers(0, 255, (96, 128, 3), dtype=np.uint8)
        return rgb.max(2), rgb

    def content(self):
        return f"mine-{self.id}"


class MySource(PairSource):
    def __init__(self, count: int = 3):
        self.count = count

    def pairs(self):
        return [MyPair("mine", str(i), str(i)) for i in range(self.count)]


class Method(ColorizationTask):
    def __init__(self, generator: nn.Module, lr: float = 0.01):
        super().__init__(generator)
        self.save_hyperparameters(logger=False)

    def training_step(self, batch, batch_idx):
        return mse_loss(signed_to_unit(self(batch["triplet"])), signed_to_unit(batch["rgb"]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)
"""


@pytest.fixture
def fit(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(textwrap.dedent(MINE))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def run(*options):
        calm = ["--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu"]
        assert main(["fit", *options, *calm]) == 0
        return json.loads(next((tmp_path / "runs").glob("*/version_0/results.json")).read_text())

    return run


SMALL = (
    "--data.source=mine.MySource",
    "--data.patch=32",
    "--data.train_patches=8",
    "--data.val_patches=4",
    "--data.batch_size=4",
)


def test_a_generator_a_loss_and_a_source(fit, tmp_path):
    huber = "{loss: {class_path: torch.nn.HuberLoss}, weight: 10}"
    (tmp_path / "loss.yaml").write_text(
        f"model: {{init_args: {{reconstruction: {{huber: {huber}}}}}}}\n"
    )
    result = fit(
        f"--config={ROOT}/conf/triplet_urban_small.yaml",
        "--config=loss.yaml",
        *SMALL,
        "--data.source.count=4",
        "--model.generator=mine.Generator",
        "--model.generator.width=6",
        "--model.reconstruction.huber.weight=5",
        "--model.l1=null",
        "--model.discriminator.patch=32",
        "--model.discriminator.widths=[4]",
        "--trainer.max_epochs=1",
        "--trainer.log_every_n_steps=1",
    )
    assert (result["categories"], result["pairs"]) == (["mine"], 4)
    metrics = next((tmp_path / "runs").glob("*/version_0/metrics.csv")).read_text()
    assert "train/huber" in metrics


LATER = {
    "a new name is added": (
        "{init_args: {reconstruction: "
        "{huber: {loss: {class_path: torch.nn.HuberLoss}, weight: 5}}}}",
        {"l1": 100, "angular": 1000, "ssim": 100, "huber": 5},
    ),
    "a weight alone": (
        "{init_args: {reconstruction: {l1: {weight: 7}}}}",
        {"l1": 7, "angular": 1000, "ssim": 100},
    ),
    "null takes all away": ("{init_args: {reconstruction: null}}", None),
    "a file that names the method brings all": (
        "{class_path: nirgan.tasks.adversarial.AdversarialTask, init_args: {reconstruction: "
        "{huber: {loss: {class_path: torch.nn.HuberLoss}, weight: 5}}}}",
        {"huber": 5},
    ),
}


@pytest.mark.parametrize("kind", LATER)
def test_losses_of_a_later_file_are_added_by_name(kind, tmp_path):
    model, weights = LATER[kind]
    (tmp_path / "later.yaml").write_text(f"model: {model}\n")
    files = [f"--config={ROOT}/conf/quickstart.yaml", f"--config={tmp_path}/later.yaml"]
    found = configuration(files)["model"]["init_args"]["reconstruction"]
    assert (found and {name: term["weight"] for name, term in found.items()}) == weights
    assert all(term["loss"]["class_path"] for term in (found or {}).values())


def test_a_generator_of_ones_own_takes_the_place_of_the_quickstarts(fit, tmp_path):
    options = ["--trainer.max_epochs=1", "--trainer.max_time=null", "--data.photometry=null"]
    options += ["--model.discriminator.widths=[4]", "--model.discriminator.patch=32"]
    fit(
        f"--config={ROOT}/conf/quickstart.yaml",
        *SMALL,
        "--model.generator=mine.Generator",
        *options,
    )
    best = tmp_path / "runs/quickstart/version_0/checkpoints/best.ckpt"
    assert "generator.layers.1.weight" in torch.load(best, weights_only=True)["state_dict"]


def test_a_discriminator_and_a_metric(fit, tmp_path, monkeypatch):
    from torchmetrics import MeanSquaredError

    from nirgan.tasks import base

    own = base.colorization_metrics

    def with_mine(prefix):
        metrics = own(prefix)
        metrics.add_metrics({"mse": MeanSquaredError()})
        return metrics

    monkeypatch.setattr(base, "colorization_metrics", with_mine)
    fit(
        f"--config={ROOT}/conf/triplet_urban_small.yaml",
        *SMALL,
        "--model.discriminator=mine.Discriminator",
        "--model.discriminator.width=3",
        "--trainer.max_epochs=1",
    )
    header = next((tmp_path / "runs").glob("*/version_0/metrics.csv")).read_text().splitlines()[0]
    assert "val/mse" in header.split(",")


def test_a_method_with_lightnings_own_optimization(fit, tmp_path):
    method = ("--model=mine.Method", "--model.generator=mine.Generator", "--model.lr=0.1", *SMALL)
    result = fit(*method, "--trainer.max_epochs=1")
    assert set(result["rows"]) >= {"experiment", "NIR copied to grey"}
    # The checkpoint names both classes; the options do too, so that they may be imported.
    best = next((tmp_path / "runs").glob("*/version_0/checkpoints/best.ckpt"))
    assert main(["validate", *method, f"--ckpt_path={best}", "--trainer.accelerator=cpu"]) == 0
