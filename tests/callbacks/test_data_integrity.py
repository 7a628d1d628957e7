import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import ROOT
from lightning.pytorch.callbacks import Callback
from PIL import Image
from test_experiments import tiny

from nirgan.callbacks.data_integrity import DataIntegrity
from nirgan.cli.main import main
from nirgan.errors import NirganError
from nirgan.experiment.lightning_cli import fit

NAME = "triplet_urban_small_reconstruction"


def arguments(folder, tmp_path):
    own = [f"--data.store={tmp_path}/store", "--trainer.max_epochs=3", "--pictures.whole=false"]
    return [f"--config={ROOT}/conf/{NAME}.yaml", *tiny(folder, tmp_path / "runs"), *own]


class Cutting(Callback):
    """Cuts stored files short.

    Args:
        store: Their folder.
        when: A hook; at its first call one file is cut, in the middle of an epoch all are.
    """

    def __init__(self, store: Path, when: str) -> None:
        self.store, self.when, self.called = store, when, False
        setattr(self, when, self._cut)

    def _cut(self, *_, **__):
        files = sorted(self.store.glob("*.npy"))
        for file in files if self.when == "on_train_batch_start" else files[:1]:
            if not self.called:
                os.truncate(file, 5000)
        self.called = True


class After(Callback):
    """Does something when the first epoch has ended."""

    def __init__(self, what):
        self.what = what

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch == 0:
            self.what()


def told(recwarn):
    words = ("pictures are not", "not the same data")
    return [s for w in recwarn if (s := str(w.message)).startswith(words)]


@pytest.mark.posix
@pytest.mark.parametrize(
    ("when", "epoch", "workers"),
    [
        ("on_train_epoch_end", 0, 0),
        ("on_train_end", 2, 0),
        ("on_train_batch_start", None, 0),
        ("on_train_batch_start", None, 1),
    ],
)
def test_a_store_that_is_cut_short_under_a_run_is_named_and_the_run_goes_on_later(
    when, epoch, workers, pair_folder, tmp_path, capsys
):
    options = arguments(pair_folder, tmp_path)
    if epoch is None:  # batches are left in which it is seen
        options.append("--data.train_patches=40")
    init = f"{{store: {tmp_path}/store, when: {when}}}"
    meddling = (
        f"--trainer.callbacks=[{{class_path: test_data_integrity.Cutting, init_args: {init}}}]"
    )
    assert main(["fit", *options, meddling, f"--data.num_workers={workers}"]) == 2
    (line,) = [s for s in capsys.readouterr().err.splitlines() if s.startswith("nirgan fit:")]
    assert f"nirgan fit: {tmp_path}/store/" in line
    assert "the stored pair" in line
    assert "cut short since the run began; start again" in line
    assert line.endswith("(fit goes on with --ckpt_path last)")
    if epoch is not None:
        last = tmp_path / f"runs/{NAME}/version_0/checkpoints/last.ckpt"
        assert torch.load(last, weights_only=True)["epoch"] == epoch
        assert main(["fit", *options, "--ckpt_path=last"]) == 0


def test_pictures_that_change_or_go_under_a_run_are_told_once(pair_folder, tmp_path, recwarn):
    def meddle():
        Image.new("L", (128, 96), 7).save(pair_folder / "1_nir.png")
        (pair_folder / "4_rgb.png").unlink()

    ran = fit(arguments(pair_folder, tmp_path), [After(meddle)])
    assert ran.trainer.current_epoch == 3
    (message,) = told(recwarn)
    assert "own/1 (changed), own/4 (" in message


def test_a_run_that_goes_on_with_other_data_says_so(pair_folder, tmp_path, recwarn):
    options = arguments(pair_folder, tmp_path)
    fit([*options, "--trainer.max_epochs=1"])
    checkpoints = tmp_path / f"runs/{NAME}/version_0/checkpoints"
    for part in ("nir", "rgb"):
        (pair_folder / f"3_{part}.png").rename(pair_folder / f"9_{part}.png")
    Image.new("L", (128, 96), 7).save(pair_folder / "1_nir.png")
    assert main(["validate", *options, f"--ckpt_path={checkpoints}/best.ckpt"]) == 0
    assert told(recwarn) == []
    fit([*options, f"--ckpt_path={checkpoints}/last.ckpt"])
    (message,) = told(recwarn)
    assert "began: own/1 has changed, own/3 is missing, own/9 is new; what" in message


@pytest.mark.posix
@pytest.mark.parametrize("own", [None, "a file has gone"])
def test_all_processes_stop_where_one_cannot_go_on(own):
    asked = []
    snapshot = SimpleNamespace(damage=lambda: own, warn_changes=lambda: None)
    strategy = SimpleNamespace(reduce_boolean_decision=asked.append)
    trainer = SimpleNamespace(datamodule=SimpleNamespace(snapshot=snapshot), strategy=strategy)
    with pytest.raises(NirganError, match=own or "another process cannot read its store"):
        DataIntegrity().on_train_epoch_start(trainer, None)
    assert asked == [own is None]
