"""Every experiment in conf/ through the real command line, on tiny data and tiny networks."""

import csv
import json

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT, draw_pairs
from lightning.pytorch.callbacks import Callback
from PIL import Image

from nirgan.callbacks import pictures
from nirgan.cli.main import main
from nirgan.data.data_snapshot import DataSnapshot
from nirgan.data.images import signed_to_unit
from nirgan.experiment.lightning_cli import ExperimentCLI, configuration
from nirgan.experiment.lightning_cli import fit as command_line_fit
from nirgan.tasks.training import RESERVED_NAMES
from nirgan.utils.image_grid import image_grid

EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf").glob("*.yaml"))
ON_URBAN = pytest.mark.xdist_group("urban")  # one process makes `urban`


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


ELSEWHERE = {"flat_urban_small", "triplet_urban_small_reconstruction"}
"""Fitted by tests of callbacks."""


def test_apples_gpu_which_lacks_64_bits_is_not_taken_unasked(pair_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr("platform.processor", lambda: "arm")  # which Lightning asks, too
    options = [f"--model={ROOT}/conf/model/grey_copy.yaml", *tiny_data(pair_folder, tmp_path)]
    cli = command_line_fit([*options, "--trainer.accelerator=auto"])
    assert cli.trainer.strategy.root_device == torch.device("cpu")


@pytest.mark.parametrize("name", [n for n in EXPERIMENTS if "old" not in n and n not in ELSEWHERE])
def test_an_experiment_fits(name, pair_folder, tmp_path, capsys, monkeypatch):
    runs = tmp_path / "runs"
    options = tiny(pair_folder, runs)
    if name in ("default", "own", "rgbn"):  # no kernels or discriminator; patches of 224 or 128
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
    assert list(rows) == [name, "NIR copied to grey", "mean color", "NIR to RGB table"]
    assert "NIR copied to grey" in capsys.readouterr().out
    if name != "triplet_urban_small":
        return
    looks = []
    monkeypatch.setattr(DataSnapshot, "warn_changes", lambda snapshot: looks.append(1))
    for number, verb in enumerate(("validate", "test", "predict"), 1):
        assert main([verb, *common, f"--ckpt_path={best}"]) == 0
        assert len(looks) == number, verb  # each has looked for changes of the data
    pictures = sorted((runs / name / "version_3" / "predictions" / "own").iterdir())
    assert [picture.name for picture in pictures] == [f"{i}.png" for i in range(6)]
    assert np.asarray(Image.open(pictures[0])).shape == (96, 128, 3)
    # `validate` judges the same patches with the same weights as the end of `fit`.
    again = json.loads((runs / name / "version_1" / "results.json").read_text())["rows"]
    assert again[name] == pytest.approx(rows[name], rel=1e-4)


@pytest.mark.parametrize("name", [n for n in EXPERIMENTS if "oldbuilding" in n])
def test_an_experiment_on_old_buildings_is_the_urban_one_on_other_pictures(name):
    for file in (f"{name}.yaml", yaml.safe_load((ROOT / f"conf/{name}.yaml").read_text())["data"]):
        own, other = (ROOT / "conf" / f for f in (file, file.replace("oldbuilding", "urban")))
        assert own.read_text() == other.read_text().replace("urban", "oldbuilding")


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


@ON_URBAN
def test_runs_of_two_seeds_differ(fit, urban, tmp_path):
    """Those of one are equal where a killed run ends as another."""
    assert fit("--seed_everything=2") == 0
    other = weights(tmp_path / "runs/triplet_urban_small/version_0/checkpoints/last.ckpt")
    first = weights(urban / "checkpoints/last.ckpt")
    assert first.keys() == other.keys()
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.fixture(scope="module")
def urban(tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("urban")
    draw_pairs(folder, 6)
    experiment = str(ROOT / "conf/triplet_urban_small.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIRGAN_CACHE", str(folder / "store"))
        options = [*tiny(folder, folder / "runs"), "--trainer.log_every_n_steps=1"]
        assert main(["fit", "--config", experiment, *options]) == 0
    return folder / "runs/triplet_urban_small/version_0"


@ON_URBAN
def test_a_checkpoint_of_another_method_is_refused(urban, pair_folder, tmp_path, capsys):
    best = urban / "checkpoints/best.ckpt"
    common = tiny(pair_folder, tmp_path / "runs")
    flat = ["--config", str(ROOT / "conf/flat_urban_small.yaml"), *common, f"--ckpt_path={best}"]
    assert main(["validate", *flat]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "holds AdversarialTask of Triplet, but the configuration says Adv" in error
    assert "AdversarialTask of Flat" in error


@ON_URBAN
def test_options_that_a_checkpoint_overrides_are_named(fit, urban, monkeypatch, caplog):
    # Other tests of the same process may have made Lightning quieter.
    caplog.set_level("INFO", "lightning.pytorch.utilities.rank_zero")
    monkeypatch.setattr(ExperimentCLI, "_run_subcommand", lambda *_: None)  # all is said before
    last = urban / "checkpoints/last.ckpt"
    assert fit(f"--ckpt_path={last}", "--trainer.max_epochs=2") == 0
    lines = [line for line in caplog.messages if "take the place" in line]
    assert lines == []
    changed = ("generator_optimizer.lr=0.5", "reconstruction.l1.weight=3", "scheduler=to-zero")
    assert fit(f"--ckpt_path={last}", *(f"--model.{option}" for option in changed)) == 0
    (line,) = [line for line in caplog.messages if "take the place" in line]
    assert line == (
        f"--ckpt_path {last}: its own values, in brackets, take the place of "
        "model.reconstruction.l1.weight=3.0 (0.0), model.generator_optimizer.lr=0.5 (0.0002), "
        "model.scheduler=to-zero (None)"
    )


@ON_URBAN
def test_no_loss_can_be_called_what_else_is_logged(urban):
    with (urban / "metrics.csv").open(newline="") as lines:
        columns = next(csv.reader(lines))
    logged = {name.removeprefix("train/") for name in columns if name.startswith("train/")}
    assert {"spread", "discriminator_gradient", "patches"} <= logged <= {*RESERVED_NAMES}


@ON_URBAN
def test_what_loggers_keep_of_the_configuration_is_plain(urban):
    text = (urban / "hparams.yaml").read_text()
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


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("quickstart", "triplet_small"),  # the same task without a schedule
        ("own", "triplet_small_reconstruction"),  # no encoder that learns at a rate of its own
        ("triplet_urban_small", "pix2pix_small"),  # the same optimizer with other values
    ],
)
@pytest.mark.parametrize("by", ["option", "file"])
def test_another_model_keeps_nothing_of_the_one_it_replaces(name, model, by, tmp_path):
    file = ROOT / f"conf/model/{model}.yaml"
    (later := tmp_path / "later.yaml").write_text(f"model: {file}\n")
    instead = f"--model={file}" if by == "option" else f"--config={later}"
    given = [f"--config={ROOT}/conf/{name}.yaml", instead]
    alone = configuration([f"--model={file}", "--data.source=Synthetic"])["model"]
    assert configuration(given)["model"] == alone
    # What the person says after it counts, and leaves the rest as it is.
    changed = configuration([*given, "--model.channels_last=false"])["model"]
    assert changed["init_args"] == alone["init_args"] | {"channels_last": False}


def test_a_model_in_words_may_be_longer_than_a_files_name():
    file, source = ROOT / "conf/model/autoencoder_small.yaml", "--data.source=Synthetic"
    words = json.dumps(yaml.safe_load(file.read_text()))
    assert len(words) > 255
    given, named = (configuration([f"--model={model}", source]) for model in (words, file))
    assert given["model"] == named["model"]


@pytest.mark.parametrize(("metric", "mode"), [("val/psnr", "max"), ("val/ciede2000", "min")])
def test_the_best_is_best_whichever_way_the_metric_goes(metric, mode, pair_folder, tmp_path):
    options = [*tiny_data(pair_folder, tmp_path), f"--checkpoint.monitor={metric}"]
    cli = command_line_fit([f"--model={ROOT}/conf/model/grey_copy.yaml", *options])
    assert cli.trainer.checkpoint_callback.mode == mode


def test_another_split_of_the_same_pictures_is_told(pair_folder, tmp_path, recwarn):
    options = [*tiny_data(pair_folder, tmp_path), "--data.protocol=across-scenes"]
    options = [f"--model={ROOT}/conf/model/grey_copy.yaml", *options]
    assert main(["fit", *options, "--data.fold=2"]) == 0
    best = f"--ckpt_path={tmp_path}/experiment/version_0/checkpoints/best.ckpt"
    assert main(["test", *options, best, "--data.fold=1"]) == 0
    (said,) = [s for w in recwarn if "another split" in (s := str(w.message))]
    assert "(data.fold 1 for 2)" in said


def test_later_files_and_options_win_and_links_follow_them(tmp_path, capsys):
    later = tmp_path / "later.yaml"
    later.write_text("data: {val_patches: '${data.train_patches}', seed: 5}\n")
    base = ["fit", "--config", str(ROOT / "conf/triplet_urban_small.yaml"), "--config", str(later)]
    with pytest.raises(SystemExit):
        main([*base, "--data.seed=7", "--data.train_patches=99", "--print_config"])
    data = yaml.safe_load(capsys.readouterr().out)["data"]
    assert (data["seed"], data["val_patches"], data["batch_size"]) == (7, 99, 16)


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


def test_averaged_weights_are_shown_and_copy_the_task_alone(pair_folder, tmp_path, monkeypatch):
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
    drawn = []
    monkeypatch.setattr(pictures, "image_grid", lambda rows: drawn.append(rows) or image_grid(rows))
    assert command_line_fit(options, [Watching()]).trainer.global_step == 2
    last = next(tmp_path.glob("*/version_0/checkpoints/last.ckpt"))
    averaged = torch.load(last, weights_only=True)["state_dict"]
    again = command_line_fit([*options, f"--ckpt_path={last}"])  # nothing is left to train
    for name, weight in again.model.state_dict().items():
        assert torch.equal(weight, averaged[name]), name
    patches, whole = drawn
    with torch.inference_mode():
        output = again.model.eval()(again.datamodule.validation_batch(range(6))["triplet"])
    assert torch.allclose(torch.stack([row[1] for row in patches]), signed_to_unit(output))
    assert len(whole) == 1
