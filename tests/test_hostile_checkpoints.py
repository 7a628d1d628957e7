"""Nothing that a stranger's checkpoint or model folder names is imported or called, by any verb."""

import json
import pickle
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import lightning
import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT, SUITE
from hostile import (
    ADVERSARIAL,
    CALLS,
    COMPACT,
    EVIL,
    GOOD,
    HOSTILE,
    INSTANTIATOR,
    MARK,
    MODULE,
    PATCH,
    PICKLES,
    RUN,
    RUNS,
    VIRTUAL,
    hyper,
    loss,
    spec,
    untyped,
)
from lightning.pytorch.cli import LightningCLI
from PIL import Image
from plain_networks import PlainGenerator
from safetensors.torch import save_file

import nirgan
from nirgan.callbacks.best_checkpoint import BestCheckpoint
from nirgan.cli import demo
from nirgan.cli.main import main
from nirgan.errors import NirganError
from nirgan.experiment.config_errors import VerbParser
from nirgan.experiment.lightning_cli import ExperimentCLI, to_plain
from nirgan.networks.discriminators.patch import PatchGAN
from nirgan.networks.generators.compact import Compact
from nirgan.tasks.adversarial import AdversarialTask
from nirgan.tasks.base import ColorizationTask
from nirgan.utils.safe_loading import check_hyperparameters, find_class

PARSERS, PARSED = {}, {}


@pytest.fixture(autouse=True)
def trap(tmp_path, monkeypatch):
    """A working folder that runs whatever imports, reads or calls what lies in it."""
    folder = tmp_path / "work"
    (folder / "evil_package").mkdir(parents=True)
    for module in ("evil_module", "hubconf"):
        (folder / f"{module}.py").write_text(MODULE)
    for file in ("evil", "evil.yaml", "evil_package/evil.yaml", "../evil.yaml"):
        (folder / file).write_text(RUN)
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(folder / "nir.png")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    yield folder
    for module in ("evil_module", "hubconf"):
        sys.modules.pop(module, None)


@pytest.fixture
def parse(monkeypatch):
    """Runs a verb up to where its trainer would run.

    The parser of each verb is built once, and the person's own arguments are parsed once, for all
    checkpoints.
    """
    setup, parse_arguments = ExperimentCLI.setup_parser, LightningCLI.parse_arguments

    def once(cli, *args):
        if cli.verb not in PARSERS:
            setup(cli, *args)
            names = ("parser", "_subcommand_parsers", "_subcommand_method_arguments")
            PARSERS[cli.verb] = {name: getattr(cli, name) for name in names}
        cli.__dict__.update(PARSERS[cli.verb])

    def without_checkpoint(cli, parser, args):
        rest = tuple(word for word in args if not word.startswith("--ckpt_path="))
        if rest not in PARSED:
            parse_arguments(cli, parser, rest)
            PARSED[rest] = cli.config
        cli.config = PARSED[rest].clone()
        for word in set(args) - set(rest):
            cli.config[args[0]].ckpt_path = word.partition("=")[2]

    monkeypatch.setattr(ExperimentCLI, "setup_parser", once)
    monkeypatch.setattr(LightningCLI, "parse_arguments", without_checkpoint)
    monkeypatch.setattr(ExperimentCLI, "_run_subcommand", lambda *_: None)

    def run(verb, *options):
        method = (
            f"--model={ADVERSARIAL}",
            f"--model.generator={COMPACT}",
            "--model.generator.widths=[4,6]",
            f"--model.discriminator={PATCH}",
            "--data.source=Synthetic",
            "--trainer.logger=false",
            "--trainer.accelerator=cpu",
        )
        return main([verb, *method, *options])

    return run


def assert_refused(status, capsys, file):
    """One line, which names the file, and nothing has run."""
    line = capsys.readouterr().err.strip()
    assert (status, Path(MARK).exists()) == (2, False), line
    assert not {"evil_module", "hubconf"} & sys.modules.keys()
    assert "\n" not in line
    assert len(line) < 500 + 2 * len(str(file))
    assert str(file) in line
    assert "weights_only" not in line.lower()
    assert "add_safe_globals" not in line


@pytest.mark.parametrize("name", HOSTILE)
def test_what_hyperparameters_name_is_not_run(name, parse, trap, capsys):
    file = trap.parent / "evil.ckpt"
    torch.save(GOOD | {"hyper_parameters": HOSTILE[name]}, file)
    assert_refused(parse("test", f"--ckpt_path={file}"), capsys, file)
    with pytest.raises(NirganError):
        AdversarialTask.load_from_checkpoint(file)
    assert not Path(MARK).exists()


def test_whatever_names_it_a_checkpoint_is_looked_at(parse, trap, capsys):
    file = trap / "runs/experiment/version_0/checkpoints/last.ckpt"
    file.parent.mkdir(parents=True)
    evil = spec("os.mkdir", path=MARK)
    for part in ("hparams", "module_arguments", "datamodule_hyper_parameters"):
        torch.save(GOOD | {part: {"more": evil}}, file)
        assert_refused(parse("test", f"--ckpt_path={file}"), capsys, file)
    torch.save(GOOD | {"hyper_parameters": untyped(evil)}, file)
    Path("more.yaml").write_text(f"ckpt_path: {file}")
    relative = file.relative_to(trap)
    assert_refused(parse("fit", "--ckpt_path=last"), capsys, relative)
    assert_refused(parse("fit", "--config=more.yaml"), capsys, file)
    assert_refused(parse("fit", f"--ckpt_path={relative}"), capsys, relative)
    assert parse("fit", f"--ckpt_path={file}", "--weights_only=false") == 2
    assert "could run any code; leave it out" in capsys.readouterr().err


GENERATORS = {
    "it": lambda v: v,
    "a network's network": lambda v: spec(VIRTUAL, network=v),
    "a list": lambda v: spec(COMPACT, widths=[4, [v]]),
    "a mapping": lambda v: spec(COMPACT, widths={"a": v}),
}


def models(folder, generator):
    """A checkpoint and a model folder of a generator."""
    file, model = folder / "evil.ckpt", folder / "model"
    model.mkdir(exist_ok=True)
    torch.save(GOOD | {"hyper_parameters": {"generator": generator}}, file)
    save_file(Compact([4, 6]).state_dict(), model / "model.safetensors")
    config = {"format": 1, "name": "evil", "generator": generator}
    (model / "config.json").write_text(json.dumps(config))
    return file, model


@pytest.mark.parametrize("name", CALLS)
def test_what_a_model_names_is_not_run(name, trap):
    for place in GENERATORS.values():
        for model in models(trap.parent, place(spec(name, **CALLS[name]))):
            with pytest.raises(NirganError) as refused:
                nirgan.load(model, device="cpu")
            assert str(model) in str(refused.value)
            assert not Path(MARK).exists()


def test_every_verb_reads_models_by_the_same_rule(trap, capsys):
    for model in models(trap.parent, EVIL):
        for verb in using(model):
            assert_refused(main(verb), capsys, model)


def using(model):
    """Every verb that reads a model."""
    return [
        ["colorize", "nir.png", "--output=out", f"--model={model}"],
        ["export", str(model), "--format=safetensors", "--output=out"],
    ]


def test_the_demo_reads_models_by_the_same_rule(trap, monkeypatch):
    pytest.importorskip("gradio")
    monkeypatch.setattr(demo, "set_gradio_environment", lambda folder: None)
    file = trap.parent / "evil.ckpt"
    torch.save(GOOD | {"hyper_parameters": {"generator": EVIL}}, file)
    with pytest.raises(NirganError, match=r"evil\.ckpt: its network is 'evil_module.Evil', none"):
        demo.main([f"--model={file}"])
    assert not Path(MARK).exists()


@pytest.mark.parametrize("name", [*PICKLES, "bare", "old", "protocol 0", "garbage", "packed"])
def test_a_pickle_is_one_line(name, parse, trap, capsys):
    file = trap.parent / "evil.ckpt"
    if name in PICKLES:
        torch.save(PICKLES[name], file)
    elif name == "old":
        torch.save(GOOD | {"more": RUNS}, file, _use_new_zipfile_serialization=False)
    elif name in ("garbage", "packed"):
        packing = zipfile.ZIP_DEFLATED if name == "packed" else zipfile.ZIP_STORED
        with zipfile.ZipFile(file, "w", packing) as archive:
            archive.writestr("evil/data.pkl", b"\x80\x02}q\x00." + b"\0" * 1000)
            archive.writestr("evil/version", b"3\n")
            archive.writestr("evil/byteorder", b"little" if name == "packed" else b"none")
    else:
        text = f"cos\nsystem\n(S'touch {MARK}'\ntR."
        file.write_bytes(pickle.dumps(RUNS) if name == "bare" else text.encode())
    assert_refused(parse("test", f"--ckpt_path={file}"), capsys, file)
    for arguments in using(file):
        assert_refused(main(arguments), capsys, file)
    for load in (nirgan.load, AdversarialTask.load_from_checkpoint):
        with pytest.raises(NirganError) as refused:
            load(file)
        assert "weights_only" not in str(refused.value)
    assert not Path(MARK).exists()


def test_a_benchmark_and_a_sweep_go_on_by_the_same_rule(trap, capsys, monkeypatch):
    from nirgan.sweeps.file import read
    from nirgan.sweeps.study import open_study
    from nirgan.sweeps.trial import run_trial

    file = trap / "swept/trials/0000/fit/version_0/checkpoints/last.ckpt"
    file.parent.mkdir(parents=True)
    evil = untyped(spec("os.mkdir", path=MARK))
    torch.save(GOOD | {"hyper_parameters": evil}, file)
    monkeypatch.setattr("nirgan.benchmark.runner.newest_complete", lambda files: file)
    quick = ["--methods={}", "--compare=[]", "--protocols=[within-images]"]
    status = main(["benchmark", f"--config={SUITE}", "--out=out", *quick])
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert (status, "reconstruction.x.loss.size_average" in line) == (2, True), line

    command = ["python", "-m", "nirgan", "fit", f"--config={ROOT}/conf/quickstart.yaml"]
    options = ["--name=fit", "--trainer.accelerator=cpu", "${args}"]
    noise = {"data.noise.red": {"values": [0.0]}}
    sweep = {"program": "nirgan", "method": "grid", "parameters": noise}
    sweep |= {"metric": {"name": "val/angular_error"}, "command": [*command, *options]}
    Path("sweep.yaml").write_text(yaml.safe_dump(sweep))
    study = open_study(read(Path("sweep.yaml")), "sqlite:///study.db", 1)
    with pytest.raises(NirganError, match=r"reconstruction\.x\.loss\.size_average"):
        run_trial(read(Path("sweep.yaml")), study.ask(), Path("swept"), 0)
    assert not Path(MARK).exists()


def test_a_class_of_ones_own_is_known_by_the_configuration_or_by_trust(parse, trap, capsys):
    file = trap.parent / "own.ckpt"
    own = spec("plain_networks.PlainGenerator")
    torch.save(GOOD | {"hyper_parameters": hyper(generator=own)}, file)
    given = "--model.generator=plain_networks.PlainGenerator"
    Path("own.yaml").write_text(f"model: {{init_args: {{generator: {own}}}}}")
    assert parse("test", f"--ckpt_path={file}", given) == 0
    assert parse("test", f"--ckpt_path={file}", "--config=own.yaml") == 0
    assert parse("test", f"--ckpt_path={file}") == 2
    assert "or pass --trust" in capsys.readouterr().err
    torch.save(GOOD | {"hyper_parameters": untyped(EVIL)}, file)
    assert parse("test", f"--ckpt_path={file}", "--trust") == 0
    assert Path(MARK).exists()


def test_a_class_of_ones_own_is_named_to_load(trap):
    file = trap.parent / "own.ckpt"
    own = "plain_networks.PlainGenerator"
    weights = {f"generator.{k}": v for k, v in PlainGenerator().state_dict().items()}
    torch.save({"state_dict": weights, "hyper_parameters": {"generator": spec(own)}}, file)
    for trust in (True, own, [own]):
        assert type(nirgan.load(file, trust=trust).generator) is PlainGenerator
    for trust in (False, [], ["plain_networks.Plain"], own + "x"):
        with pytest.raises(NirganError, match=r"load\(\.\.\., trust=\[its class path\]\)"):
            nirgan.load(file, trust=trust)


def test_a_task_is_loaded_from_a_checkpoint(trap):
    file = trap.parent / "good.ckpt"
    task = AdversarialTask(Compact([4, 6]), PatchGAN([4]))
    stored = hyper(reconstruction=loss(reduction="sum"), scheduler="to-zero")
    kept = {"state_dict": task.state_dict(), "hyper_parameters": stored}
    torch.save(kept | {"pytorch-lightning_version": lightning.__version__}, file)
    loaded = AdversarialTask.load_from_checkpoint(file, adversarial_weight=0.5)
    assert (loaded.adversarial_weight, loaded.schedule) == (0.5, "to-zero")
    assert all(map(torch.equal, loaded.state_dict().values(), task.state_dict().values()))


METHODS = sorted((ROOT / "conf/model").glob("*.yaml"))


@pytest.mark.parametrize("file", METHODS, ids=lambda file: file.stem)
def test_every_method_that_comes_along_passes(file):
    """Whatever the configuration it is judged with says."""
    parser = VerbParser()
    parser.add_subclass_arguments(ColorizationTask, "model")
    given = yaml.safe_load(file.read_text())
    model = to_plain(parser.parse_object({"model": given}).model.as_dict())
    stored = {"_class_path": model["class_path"], "_instantiator": INSTANTIATOR}
    check_hyperparameters({"hyper_parameters": stored | model["init_args"]}, file, False, "")


def test_classes_are_found_by_any_of_their_paths():
    for path in (
        "torch.nn.HuberLoss",
        "torch.nn.modules.loss.HuberLoss",
        "torch.optim.AdamW",
        "torch.optim.lr_scheduler.ReduceLROnPlateau",
        "nirgan.losses.ssim.SSIMLoss",
        ADVERSARIAL,
    ):
        assert find_class(path).__name__ == path.rpartition(".")[2]


def test_the_best_of_a_run_is_copied_into_the_new_folder_alone(trap):
    """A checkpoint says where its best files are; they may be anything, and go anywhere."""
    old, new = trap / "old/version_0/checkpoints", trap / "new/version_0/checkpoints"
    old.mkdir(parents=True)
    names = ("best.ckpt", "../../../torch.py", "../stolen.ckpt", "module.py")
    for name in names:
        (old / name).write_text("evil")
    best = BestCheckpoint(dirpath=new)
    trainer = SimpleNamespace(ckpt_path=old / "best.ckpt", is_global_zero=True)
    trainer.strategy = SimpleNamespace(barrier=lambda: None)
    score = torch.tensor(1.0)
    state = {"best_k_models": {f"{old}/{name}": score for name in names}, "dirpath": str(old)}
    state |= {"best_model_path": f"{old}/../stolen.ckpt", "kth_best_model_path": ""}
    moved = best._moved(state, trainer)
    assert moved["best_k_models"] == {f"{new}/best.ckpt": score}
    assert moved["best_model_path"] == f"{new}/best.ckpt"
    assert [file.name for file in (trap / "new").rglob("*") if file.is_file()] == ["best.ckpt"]
