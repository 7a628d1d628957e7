"""Every experiment in conf/ through the real command line, on tiny data and tiny networks."""

import csv
import json

import numpy as np
import pytest
import torch
from conftest import ROOT
from lightning.pytorch.callbacks import Callback
from PIL import Image

from nirgan.cli.main import main
from nirgan.experiment.lightning_cli import configuration
from nirgan.experiment.lightning_cli import fit as command_line_fit

EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf").glob("*.yaml"))


def tiny(folder, runs):
    return [
        *tiny_data(folder, runs),
        "--model.generator.widths=[4,4]",
        "--model.generator.kernels=[3,3]",
        "--model.discriminator.widths=[4,4]",
        "--model.discriminator.patch=32",
    ]


def tiny_data(folder, runs):
    return [
        "--data.source=Folder",
        f"--data.source.nir={folder}/*_nir.png",
        f"--data.source.rgb={folder}/*_rgb.png",
        "--data.protocol=within-images",
        "--data.patch=32",
        "--data.train_patches=8",
        "--data.val_patches=6",
        "--data.batch_size=4",
        "--trainer.max_epochs=1",
        "--trainer.accelerator=cpu",
        f"--trainer.default_root_dir={runs}",
        "--trainer.enable_progress_bar=false",
    ]


@pytest.mark.parametrize("name", [n for n in EXPERIMENTS if "oldbuilding" not in n])
def test_an_experiment_fits(name, pair_folder, tmp_path, capsys):
    runs = tmp_path / "runs"
    options = tiny(pair_folder, runs)
    if name == "default":  # a network without kernels or discriminator, and patches of 224
        options = [*tiny_data(pair_folder, runs), "--data.geometry=null", "--data.crop=patch"]
        options += ["--model.generator.widths=[4,4]", "--trainer.max_time=null"]
    common = ["--config", str(ROOT / "conf" / f"{name}.yaml"), *options]
    assert main(["fit", *common]) == 0
    first = runs / name / "version_0"
    best = first / "checkpoints" / "best.ckpt"
    assert {"config.yaml", "metrics.csv", "table.md", "results.json", "comparison.png"} <= {
        file.name for file in first.iterdir()
    }
    assert any((first / "pictures").glob("whole-*.png"))
    assert torch.load(best, weights_only=True)["epoch"] == 0
    rows = json.loads((first / "results.json").read_text())["rows"]
    assert list(rows) == [name, "NIR copied to grey", "mean colour", "NIR to RGB table"]
    assert "NIR copied to grey" in capsys.readouterr().out
    if name != "triplet_urban_small":
        return
    for verb in ("validate", "test", "predict"):
        assert main([verb, *common, f"--ckpt_path={best}"]) == 0
    pictures = sorted((runs / name / "version_3" / "predictions" / "own").iterdir())
    assert [picture.name for picture in pictures] == [f"{i}.png" for i in range(6)]
    assert np.asarray(Image.open(pictures[0])).shape == (96, 128, 3)
    # `validate` judges the same patches with the same weights as the end of `fit`.
    again = json.loads((runs / name / "version_1" / "results.json").read_text())["rows"]
    assert again[name] == pytest.approx(rows[name], rel=1e-4)


@pytest.mark.parametrize("name", [n for n in EXPERIMENTS if "oldbuilding" in n])
def test_an_experiment_on_old_buildings_is_the_urban_one_on_other_pictures(name):
    other = configuration([f"--config={ROOT}/conf/{name.replace('oldbuilding', 'urban')}.yaml"])
    own = configuration([f"--config={ROOT}/conf/{name}.yaml"])
    assert own["name"] == name
    assert own["data"]["source"]["init_args"].pop("categories") == ["oldbuilding"]
    assert other["data"]["source"]["init_args"].pop("categories") == ["urban"]
    assert own | {"name": "", "config": ""} == other | {"name": "", "config": ""}


SYSTEMS = {
    "autoencoder": ["--model.generator.widths=[4,4]"],
    "cyclegan": [
        "--model.generator.width=4",
        "--model.generator.blocks=1",
        "--model.inverse.width=4",
        "--model.inverse.blocks=1",
        "--model.discriminator.widths=[4,4]",
        "--model.inverse_discriminator.widths=[4,4]",
    ],
    "iizuka_small": ["--model.generator.width=4", "--model.generator.size=32"],
    "irony": [],
    "limmer": ["--model.generator.widths=[4]", "--model.generator.joined=4"],
    "pix2pix": ["--model.generator.width=4", "--model.generator.depth=3"],
    "flat_small_virtual": [
        "--model.generator.network.widths=[4,4]",
        "--model.generator.network.kernels=[3,3]",
        "--model.discriminator.network.widths=[4]",
        "--model.discriminator.network.patch=32",
    ],
    "welsh": [],
    "zhang_small": ["--model.generator.width=4"],
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_goes_through_the_same_verbs(name, pair_folder, tmp_path):
    runs = tmp_path / "runs"
    model = ROOT / f"conf/model/{name}.yaml"
    common = [f"--model={model}", f"--name={name}", *tiny_data(pair_folder, runs), *SYSTEMS[name]]
    assert main(["fit", *common]) == 0
    best = runs / name / "version_0/checkpoints/best.ckpt"
    rows = json.loads((runs / name / "version_0/results.json").read_text())["rows"]
    assert main(["validate", *common, f"--ckpt_path={best}"]) == 0
    again = json.loads((runs / name / "version_1/results.json").read_text())["rows"]
    assert again[name] == pytest.approx(rows[name], rel=1e-4)


@pytest.mark.parametrize("name", ["grey_copy", "mean_color", "nir_table"])
def test_what_knows_nothing_goes_through_the_same_verbs(name, pair_folder, tmp_path):
    runs = tmp_path / "runs"
    model = ROOT / f"conf/model/{name}.yaml"
    common = [f"--model={model}", f"--name={name}", *tiny_data(pair_folder, runs)]
    assert main(["fit", *common, "--trainer.max_epochs=7"]) == 0
    best = runs / name / "version_0/checkpoints/best.ckpt"
    results = json.loads((runs / name / "version_0/results.json").read_text())
    training = sum(96 * 128 - 96 * 32 for _ in range(6))  # a band of each picture is kept
    assert results["patches_seen"] == pytest.approx(training / 32**2, abs=1)  # one pass
    own, *others = results["rows"].values()
    assert sum(own == pytest.approx(other, rel=1e-5) for other in others) == 1
    assert main(["validate", *common, f"--ckpt_path={best}"]) == 0
    again = json.loads((runs / name / "version_1/results.json").read_text())["rows"]
    assert again[name] == pytest.approx(own, rel=1e-4)


@pytest.mark.parametrize("category", ["urban", "oldbuilding"])
@pytest.mark.parametrize("network", ["triplet", "flat"])
def test_the_papers_experiments_hold_all_of_its_values(network, category, capsys):
    import yaml

    with pytest.raises(SystemExit):
        main(["fit", "--config", str(ROOT / f"conf/{network}_{category}.yaml"), "--print_config"])
    config = yaml.safe_load(capsys.readouterr().out)
    model, data = config["model"]["init_args"], config["data"]
    assert model["generator"]["class_path"].endswith(network.capitalize())
    for net in ("generator", "discriminator"):
        assert model[net]["init_args"]["std"] == 0.00282
        adam = model[f"{net}_optimizer"]["init_args"]
        assert (adam["lr"], adam["eps"], adam["weight_decay"]) == (2e-4, 1e-8, 1e-5)
    assert model["generator_optimizer"]["init_args"]["betas"][0] == 0.4
    assert model["discriminator_optimizer"]["init_args"]["betas"][0] == 0.5
    assert all(term["weight"] == 0 for term in model["reconstruction"].values())
    assert model["saturating"] is True
    assert model["l1"]["weight"] > 0
    assert data["noise"] == {"red": 0.00011, "green": 0.00012, "blue": 0.00013}
    assert (data["patch"], data["train_patches"], data["val_patches"]) == (64, 250_000, 2_500)
    assert data["protocol"] == "within-images"
    assert data["source"]["init_args"]["categories"] == [category]
    assert not data["geometry"]
    assert not data["photometry"]


@pytest.fixture
def fit(pair_folder, tmp_path):
    def run(*options, name="triplet_urban_small"):
        common = tiny(pair_folder, tmp_path / "runs")
        return main(["fit", "--config", str(ROOT / f"conf/{name}.yaml"), *common, *options])

    return run


def weights(path):
    return torch.load(path, weights_only=True)["state_dict"]


def test_two_runs_of_one_seed_are_equal_and_of_two_are_not(fit, tmp_path):
    for seed in (1, 1, 2):
        assert fit(f"--seed_everything={seed}", "--trainer.precision=32") == 0
    first, second, other = (
        weights(tmp_path / f"runs/triplet_urban_small/version_{v}/checkpoints/last.ckpt")
        for v in range(3)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_run_resumed_after_an_epoch_equals_one_that_was_never_stopped(fit, tmp_path):
    runs = tmp_path / "runs/triplet_urban_small"
    exact = "--trainer.precision=32"
    assert fit(exact, "--trainer.max_epochs=2") == 0
    assert fit(exact) == 0
    last = runs / "version_1/checkpoints/last.ckpt"
    assert fit(exact, "--trainer.max_epochs=2", f"--ckpt_path={last}") == 0
    whole, resumed = (weights(runs / f"version_{v}/checkpoints/last.ckpt") for v in (0, 2))
    assert whole["generator.red.norm.num_batches_tracked"] == 4  # the last epoch, not the best
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    histories = []
    for version in (0, 2):
        with (runs / f"version_{version}/metrics.csv").open() as lines:
            histories.append(list(csv.DictReader(lines)))
    final = [next(r for r in reversed(h) if r["val/angular_error"]) for h in histories]
    assert final[0]["val/angular_error"] == final[1]["val/angular_error"]


def test_a_checkpoint_of_another_method_is_refused(fit, pair_folder, tmp_path, capsys):
    assert fit() == 0
    best = tmp_path / "runs/triplet_urban_small/version_0/checkpoints/best.ckpt"
    common = tiny(pair_folder, tmp_path / "runs")
    flat = ["--config", str(ROOT / "conf/flat_urban_small.yaml"), *common, f"--ckpt_path={best}"]
    assert main(["validate", *flat]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "holds AdversarialTask of Triplet, but the configuration says Adv" in error
    assert "AdversarialTask of Flat" in error


def test_options_that_a_checkpoint_overrides_are_named(fit, tmp_path, capsys, caplog):
    # Other tests of the same process may have made Lightning quieter.
    caplog.set_level("INFO", "lightning.pytorch.utilities.rank_zero")
    assert fit() == 0
    caplog.clear()
    last = tmp_path / "runs/triplet_urban_small/version_0/checkpoints/last.ckpt"
    assert fit(f"--ckpt_path={last}", "--trainer.max_epochs=2") == 0
    lines = [line for line in caplog.messages if "take the place" in line]
    assert lines == []
    assert (
        fit(
            f"--ckpt_path={last}",
            "--trainer.max_epochs=2",
            "--model.generator_optimizer.lr=0.5",
            "--model.reconstruction.l1.weight=3",
            "--model.scheduler=to-zero",
        )
        == 0
    )
    (line,) = [line for line in caplog.messages if "take the place" in line]
    assert line == (
        f"--ckpt_path {last}: its own values, in brackets, take the place of "
        "model.reconstruction.l1.weight=3.0 (0.0), model.generator_optimizer.lr=0.5 (0.0002), "
        "model.scheduler=to-zero (None)"
    )


def test_what_loggers_keep_of_the_configuration_is_plain(fit, tmp_path):
    import yaml

    assert fit() == 0
    text = (tmp_path / "runs/triplet_urban_small/version_0/hparams.yaml").read_text()
    assert yaml.safe_load(text)["data"]["patch"] == 32
    assert "__path__" not in text


def test_runs_without_a_logger_may_share_a_folder(fit, tmp_path):
    for _ in range(2):
        assert fit("--trainer.logger=false") == 0


def test_a_trial_run_leaves_nothing_where_it_was_started(fit, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert fit("--trainer.fast_dev_run=true") == 0
    assert not list((tmp_path / "here").iterdir())


def test_later_files_and_options_win_and_links_follow_them(pair_folder, tmp_path, capsys):
    import yaml

    later = tmp_path / "later.yaml"
    later.write_text("data: {val_patches: '${data.train_patches}', seed: 5}\n")
    base = ["fit", "--config", str(ROOT / "conf/triplet_urban_small.yaml"), "--config", str(later)]
    with pytest.raises(SystemExit):
        main([*base, "--data.seed=7", "--data.train_patches=99", "--print_config"])
    data = yaml.safe_load(capsys.readouterr().out)["data"]
    assert (data["seed"], data["val_patches"], data["batch_size"]) == (7, 99, 16)


def test_weights_and_biases_by_one_line_offline(fit, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.chdir(tmp_path)
    assert fit("--config", str(ROOT / "conf/trainer/wandb.yaml")) == 0
    version = tmp_path / "runs/triplet_urban_small/version_0"
    assert (version / "metrics.csv").is_file()  # the history on disk stays
    files = [p.name for p in (tmp_path / "runs/wandb").rglob("*") if p.is_file()]
    assert any(name.endswith(".wandb") for name in files)
    assert any(name.startswith("patches_") and name.endswith(".png") for name in files)


@pytest.mark.parametrize("verb", ["validate", "test", "predict"])
def test_a_method_nobody_trained_is_not_judged(verb, pair_folder, tmp_path, capsys):
    config = ["--config", str(ROOT / "conf/triplet_urban_small.yaml")]
    assert main([verb, *config, *tiny(pair_folder, tmp_path)]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"nirgan {verb}: --ckpt_path is missing; `fit` leaves one in ")


def test_references_of_ones_own_are_given_on_the_command_line(pair_folder, tmp_path):
    runs = tmp_path / "runs"
    given = f"--model.references=[{pair_folder}/0_rgb.png,{pair_folder}/1_rgb.png]"
    model = f"--model={ROOT}/conf/model/welsh.yaml"
    common = [model, "--name=mine", *tiny_data(pair_folder, runs), given]
    assert main(["fit", *common]) == 0
    best = runs / "mine/version_0/checkpoints/best.ckpt"
    kept = torch.load(best, weights_only=True)["state_dict"]["generator.examples.pixels"]
    assert len(kept) == 2
    assert main(["predict", *common, f"--ckpt_path={best}"]) == 0
    assert len(list((runs / "mine/version_1/predictions/own").iterdir())) == 6


def test_averaged_weights_copy_the_task_alone(pair_folder, tmp_path):
    """Not the trainer, the data and callbacks, to which the optimizer's maker leads."""

    class Watching(Callback):
        def __deepcopy__(self, memo):
            raise AssertionError("copied")

    averaging = (
        "--trainer.callbacks+=lightning.pytorch.callbacks.EMAWeightAveraging",
        "--trainer.callbacks.decay=0.995",
    )
    model = str(ROOT / "conf/model/autoencoder_small.yaml")
    options = [*tiny_data(pair_folder, tmp_path), *averaging, "--model", model]
    assert command_line_fit(options, [Watching()]).trainer.global_step == 2
