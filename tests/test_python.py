"""nirgan from Python: what is built and trained there is worth as much as what `fit` trains."""

import re
import subprocess
import sys
import warnings
from functools import partial

import lightning
import pytest
import torch
import yaml
from conftest import ROOT
from torch import nn

import nirgan
from nirgan.cli.main import main
from nirgan.errors import NirganError
from nirgan.experiment import lightning_cli
from nirgan.experiment.lightning_cli import configuration
from nirgan.networks import Recorded
from nirgan.networks.generators import Compact
from nirgan.tasks import AdversarialTask, SupervisedTask, WeightedLoss
from nirgan.utils.recording import describe

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(), re.DOTALL)
DATA = ("--data.source=Synthetic", "--data.source.categories=[street]", "--data.source.count=3")
SMALL = ("--data.source.size=[64,96]", "--data.patch=32", "--data.val_patches=4")


@pytest.fixture
def page(tmp_path, monkeypatch):
    """What the page trains, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    names = {}
    exec(BLOCKS[0].replace("max_epochs=2", "max_epochs=1, accelerator='cpu'"), names)
    return names


def test_the_page_trains_the_triplet_in_25_lines(page, tmp_path):
    code = [line for line in BLOCKS[0].splitlines() if line]
    assert len(code) <= 25
    assert page["rgb"].shape == (1, 3, 96, 128)
    file = page["trainer"].checkpoint_callback.best_model_path
    task = page["task"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        loaded = AdversarialTask.load_from_checkpoint(file)
    assert describe(loaded) == describe(task)
    assert all(map(torch.equal, loaded.state_dict().values(), task.state_dict().values()))
    # As by hand: the network of the task, with its weights.
    nir = torch.rand(1, 1, 96, 128)
    with torch.no_grad():
        by_hand = task.eval().generator((nir * 2 - 1).expand(-1, 3, -1, -1)) / 2 + 0.5
    assert torch.allclose(page["colorizer"](nir), by_hand, atol=1e-5)

    model = ["--model=AdversarialTask", "--model.generator=Triplet"]
    model += ["--model.discriminator=Conditional"]
    assert main(["test", *model, *DATA, *SMALL, f"--ckpt_path={file}"]) == 0
    assert main(["export", file, "--format=safetensors", f"--output={tmp_path}/model"]) == 0
    assert torch.equal(nirgan.load(tmp_path / "model")(nir), page["colorizer"](nir))


def fit(task, folder):
    """One step of training, and its checkpoint."""
    data = nirgan.PatchDataModule(
        nirgan.data.sources.Synthetic(categories=["street"], count=3, size=(64, 96)),
        patch=32,
        train_patches=4,
        val_patches=4,
        batch_size=4,
    )
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", default_root_dir=folder, **quiet)
    trainer.fit(task, data)
    return trainer.checkpoint_callback.best_model_path


MODULE = (
    BLOCKS[1]
    + '''

class Kept(nn.Module):
    """Each argument is an attribute."""

    def __init__(self, width: int = 2):
        super().__init__()
        self.width = width
        self.layer = nn.Conv2d(3, 3, width + 1, padding="same")

    def forward(self, triplet):
        return self.layer(triplet).tanh()


class Silent(nn.Module):
    def __init__(self, slope: float = 0.2):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 3, 1), nn.LeakyReLU(slope), nn.Tanh())

    def forward(self, triplet):
        return self.layers(triplet)
'''
)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "mine_in_python.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    import mine_in_python

    yield mine_in_python
    sys.modules.pop("mine_in_python")


@pytest.mark.parametrize("name", ["Mine", "Kept"])
def test_a_network_of_ones_own_comes_back_as_it_was_built(mine, name, tmp_path):
    network = mine.Mine(6, slope=0.5) if name == "Mine" else mine.Kept(4)
    adam = partial(torch.optim.Adam, lr=0.25, betas=(0.5, 0.9))
    task = SupervisedTask(network, {"huber": WeightedLoss(nn.HuberLoss(delta=0.3), 2.0)}, adam)
    file = fit(task, tmp_path)
    path = f"mine_in_python.{name}"
    nir = torch.rand(2, 1, 40, 40)
    colorizer = nirgan.load(file, trust=[path])
    assert torch.equal(colorizer(nir), nirgan.Colorizer(task.generator)(nir))
    again = SupervisedTask.load_from_checkpoint(file, trust=[path])
    assert describe(again.generator) == describe(network)
    assert again.configure_optimizers().param_groups[0]["lr"] == 0.25
    assert again.losses.losses["huber"].delta == 0.3
    with pytest.raises(NirganError, match=rf"its network is '{path}'"):
        nirgan.load(file)
    nirgan.Colorizer(network).save_pretrained(tmp_path / "model")
    assert torch.equal(nirgan.load(tmp_path / "model", trust=True)(nir), colorizer(nir))


def test_what_a_checkpoint_cannot_say_is_told_before_training(mine, tmp_path):
    with pytest.warns(UserWarning, match=r"will not hold 'generator'.*Silent.*'slope'.*Recorded"):
        task = SupervisedTask(mine.Silent(0.5), {"l1": WeightedLoss(nn.L1Loss(), 1.0)})

    def sgd(parameters):
        return torch.optim.SGD(parameters)

    file = fit(task, tmp_path)
    with pytest.raises(NirganError, match="no generator in it"):
        nirgan.load(file, trust=True)
    with pytest.warns(UserWarning, match=r"will not hold 'optimizer'.*a function cannot be"):
        SupervisedTask(Compact([4]), {"l1": WeightedLoss(nn.L1Loss(), 1.0)}, sgd)


def test_a_constructor_may_change_what_it_was_given():
    class Odd(Recorded, nn.Module):
        def __init__(self, widths, *, last=3, **more):
            super().__init__()
            widths.append(last)
            self.more = more

    built = describe(Odd([1, 2], depth=4))
    assert built["init_args"] == {"widths": [1, 2], "last": 3, "depth": 4}


def shortened(value):
    if isinstance(value, dict):
        return {
            key: inner.rpartition(".")[2] if key == "class_path" else shortened(inner)
            for key, inner in value.items()
        }
    return value


def test_classes_may_be_named_without_their_path(tmp_path):
    full = ROOT / "conf/model/flat_small_virtual.yaml"  # of every package but the sources
    short = tmp_path / "short.yaml"
    short.write_text(yaml.safe_dump(shortened(yaml.safe_load(full.read_text()))))
    assert "nirgan." not in short.read_text()
    with_path, without = (configuration([f"--model={f}", *DATA])["model"] for f in (full, short))
    assert with_path == without


def test_packages_give_their_classes_when_asked_and_import_nothing_heavy_before():
    packages = "nirgan, nirgan.data, nirgan.data.sources, nirgan.tasks, nirgan.losses"
    code = f"import sys, {packages}; print(sys.modules.keys() & {{'torch', 'numpy', 'lightning'}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
    assert {"Colorizer", "load"} < {*dir(nirgan)}
    assert nirgan.AngularError.__module__ == "nirgan.metrics.angular_error"
    assert nirgan.losses.SSIMLoss.__module__ == "nirgan.losses.ssim"
    with pytest.raises(AttributeError, match=r"'nirgan\.tasks' has no attribute 'Adversarial'"):
        _ = nirgan.tasks.Adversarial


@pytest.mark.parametrize("left_out", [False, True])
def test_what_watches_a_run_has_a_key_of_its_own(left_out, tmp_path):
    keys = {key: kind for key, (kind, _) in lightning_cli.DEFAULT_CALLBACKS.items()}
    options = [f"--{key}=null" for key in keys] if left_out else ["--collapse.sure=0.125"]
    run = lightning_cli.fit(
        [
            f"--model={ROOT}/conf/model/flat_small_reconstruction.yaml",
            *DATA,
            *SMALL,
            "--model.generator.widths=[4]",
            "--model.generator.kernels=[3]",
            "--model.discriminator.widths=[4]",
            "--model.discriminator.patch=32",
            "--data.train_patches=4",
            "--data.batch_size=4",
            "--trainer.max_epochs=1",
            f"--trainer.default_root_dir={tmp_path}",
            *options,
        ]
    )
    there = {type(callback): callback for callback in run.trainer.callbacks}
    assert (there.keys() & set(keys.values())) == (set() if left_out else set(keys.values()))
    assert len(list(tmp_path.rglob("last.ckpt"))) == (0 if left_out else 1)
    if not left_out:
        assert there[keys["collapse"]].sure == 0.125
