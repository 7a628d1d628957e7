"""Files that name classes by paths of former versions go on being read."""

import json
from importlib import import_module

import pytest
import torch
import yaml
from conftest import ROOT

import nirgan
from nirgan.benchmark.runner import RunRecorder
from nirgan.benchmark.suite import Run
from nirgan.cli.main import main
from nirgan.errors import NirganError
from nirgan.experiment.lightning_cli import configuration
from nirgan.inference.models.pretrained import read_model, write_model
from nirgan.networks.generators.baselines import GreyCopy
from nirgan.networks.generators.welsh import Welsh
from nirgan.sweeps.trial import TrialReporter
from nirgan.tasks.closed_form import ClosedFormTask
from nirgan.utils import renamed, safe_loading
from nirgan.utils.renamed import RENAMED

TASK = "nirgan.tasks.closed_form.ClosedFormTask"
FORMER = "nirgan.networks.closed_form.GreyCopy"
TODAY = "nirgan.networks.generators.baselines.GreyCopy"
COLOR = "nirgan.networks.generators.baselines.MeanColor"
BEST = (  # as the first version wrote it
    "Best{'monitor': 'val/angular_error', 'mode': 'min', 'every_n_train_steps': 0, "
    "'every_n_epochs': 1, 'train_time_interval': None}"
)
DATA = (
    "--data.source=Synthetic",
    "--data.source.categories=[street]",
    "--data.source.count=3",
    "--data.source.size=[64,96]",
    "--data.patch=32",
    "--data.train_patches=8",
    "--data.val_patches=4",
    f"--trainer={ROOT}/tests/conf/cpu.yaml",
    "--trainer.enable_progress_bar=false",
)


@pytest.mark.parametrize("path", RENAMED)
def test_every_former_path_leads_to_a_class(path):
    module, _, name = RENAMED[path].rpartition(".")
    assert isinstance(getattr(import_module(module), name), type)
    assert RENAMED[path] not in RENAMED


@pytest.mark.parametrize("how", ["options", "a file", "a file, short"])
def test_configurations_and_command_lines(how, tmp_path):
    file = tmp_path / "mine.yaml"
    generator = FORMER if how == "a file, short" else {"class_path": FORMER}
    model = {"class_path": TASK, "init_args": {"generator": generator}}
    file.write_text(yaml.safe_dump({"model": model}))
    words = [f"--model={TASK}", f"--model.generator={FORMER}"]
    config = configuration([*(words if how == "options" else [f"--config={file}"]), *DATA])
    assert config["model"]["init_args"]["generator"]["class_path"] == TODAY


def test_short_names_of_former_versions():
    config = configuration([f"--model={TASK}", "--model.generator=MeanColour", *DATA])
    assert config["model"]["init_args"]["generator"]["class_path"] == COLOR


def test_a_class_of_a_former_short_name_comes_first(monkeypatch):
    monkeypatch.setitem(renamed.FORMER_NAMES, "GreyCopy", COLOR)
    config = configuration([f"--model={TASK}", "--model.generator=GreyCopy", *DATA])
    assert config["model"]["init_args"]["generator"]["class_path"] == TODAY


def test_configurations_that_come_along(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration(["--model=conf/model/mean_colour.yaml", *DATA])
    assert config["model"]["init_args"]["generator"]["class_path"] == COLOR


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Of a former version, as all that reads checkpoints finds it."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIRGAN_CACHE", str(tmp_path_factory.getbasetemp() / "store"))
        options = (f"--model={TASK}", f"--model.generator={FORMER}", *DATA)
        assert main(["fit", *options, f"--trainer.default_root_dir={root}"]) == 0
    file = next(root.glob("*/version_0/checkpoints/last.ckpt"))
    content = torch.load(file, weights_only=True)
    assert content["hyper_parameters"]["generator"]["class_path"] == TODAY
    content["hyper_parameters"]["generator"]["class_path"] = FORMER
    torch.save(content, root / "former.ckpt")
    return root / "former.ckpt"


def test_states_of_callbacks_in_checkpoints(checkpoint):
    assert BEST in torch.load(checkpoint, weights_only=True)["callbacks"]
    assert RunRecorder(None).state_key == TrialReporter(None, "").state_key == "Watch"


def test_checkpoints_in_python(checkpoint):
    assert isinstance(nirgan.load(checkpoint, device="cpu").generator, GreyCopy)
    assert isinstance(ClosedFormTask.load_from_checkpoint(checkpoint).generator, GreyCopy)


def test_checkpoints_on_the_command_line(checkpoint, tmp_path):
    options = (f"--model={TASK}", f"--model.generator={TODAY}", *DATA)
    where = (f"--ckpt_path={checkpoint}", f"--trainer.default_root_dir={tmp_path}")
    assert main(["validate", *options, *where]) == 0


def test_model_folders(tmp_path):
    welsh = Welsh(samples=9)
    welsh.update(torch.rand(1, 1, 16, 16), torch.rand(1, 3, 16, 16))
    described = {"class_path": "nirgan.networks.welsh.Welsh", "init_args": {"samples": 9}}
    write_model(tmp_path / "m", welsh, {"name": "m", "generator": described}, None)
    assert "nirgan.networks.welsh.Welsh" in (tmp_path / "m/config.json").read_text()
    assert isinstance(read_model(tmp_path / "m").generator, Welsh)


def test_what_may_be_imported_is_asked_of_the_path_of_today(tmp_path, monkeypatch):
    monkeypatch.setitem(RENAMED, "nirgan.networks.former.Evil", "os.system")
    monkeypatch.setitem(RENAMED, "nirgan.networks.former.Worse", "plain_networks.PlainGenerator")
    for path in ("nirgan.networks.former.Evil", "nirgan.networks.former.Worse"):
        assert safe_loading.find_class(path) is None
        described = {"class_path": path}
        write_model(tmp_path / "m", GreyCopy(), {"name": "m", "generator": described}, None)
        with pytest.raises(NirganError, match="importing it could run any code"):
            read_model(tmp_path / "m")
        file = tmp_path / "x.ckpt"
        with pytest.raises(NirganError, match="could run any code"):
            safe_loading.check_hyperparameters(
                {"hyper_parameters": {"generator": described}}, file, False, ""
            )


def test_a_class_that_moves_makes_no_other_run_of_a_benchmark(monkeypatch):
    def run(path):
        config = {"model": {"init_args": {"generator": {"class_path": path}}}, "data": {}}
        return Run("grey", "urban", "within-images", 0, 0, (), config, True).key

    today = run(TODAY)
    assert today != run(COLOR)
    assert run(COLOR) == run("nirgan.networks.closed_form.MeanColour")
    assert json.loads(renamed.with_oldest_paths(json.dumps([TODAY]))) == [FORMER]
    monkeypatch.setattr(renamed, "RENAMED", {})
    assert today == run(FORMER)
