import os
import shutil
import signal
from collections import namedtuple
from pathlib import Path
from uuid import UUID

import pytest
import torch
from conftest import ROOT
from processes import FORKING
from test_experiments import tiny

from nirgan.callbacks.checkpoint_io import AtomicCheckpointIO
from nirgan.cli.main import main
from nirgan.errors import NirganError

FIRST = {"weights": torch.arange(1000.0), "epoch": 1}


def saved(file):
    AtomicCheckpointIO().save_checkpoint(FIRST, file)
    return file


def is_first(file):
    loaded = torch.load(file, weights_only=True)
    return loaded["epoch"] == 1 and torch.equal(loaded["weights"], FIRST["weights"])


def test_a_checkpoint_is_there_and_nothing_beside_it(tmp_path):
    file = saved(tmp_path / "new/last.ckpt")
    assert is_first(file)
    assert [f.name for f in file.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.posix
def test_a_full_disk_leaves_the_former_one_and_says_what_is_missing(tmp_path, monkeypatch):
    file = saved(tmp_path / "last.ckpt")
    full = UUID(int=0)
    monkeypatch.setattr("nirgan.utils.atomic_write.uuid4", lambda: full)
    (tmp_path / f".{full.hex[:12]}.part.ckpt").symlink_to("/dev/full")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(0, 0, 1_000_000))
    large = {"weights": torch.zeros(1_000_000)}
    said = r"last.ckpt: cannot be written \(no space left: it has 4.0 MB, and 3.0 MB more are"
    with pytest.raises(NirganError, match=said + r" needed\); the former one is whole"):
        AtomicCheckpointIO().save_checkpoint(large, file)
    assert is_first(file)
    assert [f.name for f in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NirganError, match=r"file/last.ckpt: cannot be written \("):
        saved(tmp_path / "file/last.ckpt")


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def save_and_die(function, file):
    setattr({"fsync": os, "replace": Path}[function], function, die)
    AtomicCheckpointIO().save_checkpoint({"epoch": 2}, file)


@pytest.mark.posix
@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_kill_during_writing_leaves_the_former_one(moment, tmp_path):
    file = saved(tmp_path / "last.ckpt")
    process = FORKING.Process(target=save_and_die, args=(moment, file))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert is_first(file)


def test_last_is_the_newest_whole_one_and_its_name_is_said(pair_folder, tmp_path, caplog, capsys):
    common = [f"--config={ROOT}/conf/flat_urban_small.yaml", *tiny(pair_folder, tmp_path)]
    assert main(["fit", *common, "--ckpt_path=last"]) == 2
    folder = tmp_path / "flat_urban_small"
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith(
        f"nirgan fit: --ckpt_path last: no whole checkpoint in {folder}/version_N"
    )
    assert main(["fit", *common]) == 0
    newest = folder / "version_0/checkpoints/last.ckpt"
    os.utime(newest, (2e9, 2e9))
    short = folder / "version_0/checkpoints/short.ckpt"
    short.write_bytes(newest.read_bytes()[:-500])
    os.utime(short, (3e9, 3e9))
    killed = short.with_name(".0.part.ckpt")  # whole, but not in its place yet
    shutil.copy(newest, killed)
    os.utime(killed, (3e9, 3e9))
    with caplog.at_level("INFO", "lightning.pytorch"):  # the verb `benchmark` keeps it quieter
        assert main(["fit", *common, "--ckpt_path=last", "--trainer.max_epochs=2"]) == 0
    assert f"--ckpt_path last is {newest}" in caplog.text
    went_on = torch.load(folder / "version_1/checkpoints/last.ckpt", weights_only=True)
    assert went_on["epoch"] == 1
