import csv
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from conftest import ROOT
from processes import FORKING
from test_experiments import tiny

from nirgan.callbacks.history import HistoryLogger
from nirgan.cli.main import main
from nirgan.data.store import PairStore


def logged(folder, *rows):
    logger = HistoryLogger(folder, name="x")
    for step, row in enumerate(rows):
        logger.log_metrics(row, step)
        logger.save()
    return logger


def lines(logger):
    with Path(logger.log_dir, "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_history_begins_with_rows_of_another_and_looks_as_if_it_were_one(tmp_path):
    rows = [{"b": 0.1}, {"c": 1 / 3}, {"a": 5e-324}]
    whole = logged(tmp_path, *rows)
    first = logged(tmp_path, *rows[:2], {"later": 1.0})
    second = HistoryLogger(tmp_path, name="x")
    second.copy_rows(tmp_path / "x" / f"version_{first.version}" / "metrics.csv", 2)
    second.log_metrics(rows[2], 2)
    second.save()
    assert second.rows == 3
    assert lines(second) == lines(whole)


@pytest.mark.parametrize("rows", [3, 1000])
def test_a_history_that_lacks_the_rows_is_another_runs(rows, tmp_path):
    first = logged(tmp_path, {"b": 0.1}, {"b": 0.2})
    second = HistoryLogger(tmp_path, name="x")
    for file in ("metrics.csv", "missing.csv"):
        second.copy_rows(tmp_path / "x/version_0" / file, rows)
    assert second.rows == 0
    assert len(lines(first)) == 2


def add_a_column_and_die(folder):
    logger = logged(folder, {"a": 1.0})
    csv.DictWriter.writeheader = lambda self: os.kill(os.getpid(), signal.SIGKILL)
    logger.log_metrics({"b": 2.0}, 1)
    logger.save()


@pytest.mark.posix
def test_a_kill_while_a_column_is_added_leaves_the_rows(tmp_path):
    process = FORKING.Process(target=add_a_column_and_die, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert (tmp_path / "x/version_0/metrics.csv").read_text().split() == ["a,step", "1.0,0"]


def test_runs_that_start_at_once_have_a_folder_each(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x/version_3").touch()  # a file is a number that is taken, too
    together = Barrier(8)

    def claimed(_):
        logger = HistoryLogger(tmp_path, name="x")
        together.wait()
        return logger.version, Path(logger.log_dir).is_dir()

    with ThreadPoolExecutor(8) as threads:
        found = sorted(threads.map(claimed, range(8)))
    assert found == [(version, True) for version in (0, 1, 2, 4, 5, 6, 7, 8)]


def test_a_run_that_starts_while_another_one_decodes_shares_nothing_with_it(
    pair_folder, tmp_path, monkeypatch
):
    options = [
        f"--config={ROOT}/conf/triplet_urban_small.yaml",
        *tiny(pair_folder, tmp_path / "runs"),
        "--name=x",
        "--trainer.log_every_n_steps=1",
    ]
    build, statuses = PairStore.build, []

    def slow(store, pairs):
        monkeypatch.setattr(PairStore, "build", build)
        statuses.append(main(["fit", *options]))
        build(store, pairs)

    monkeypatch.setattr(PairStore, "build", slow)
    assert [main(["fit", *options]), *statuses] == [0, 0]
    assert len(list((tmp_path / "runs/x").iterdir())) == 2
    for version in (0, 1):
        run = tmp_path / f"runs/x/version_{version}"
        with (run / "metrics.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["step"] for row in rows if row["train/discriminator"]] == ["0", "1"]
        assert {file.name for file in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}


def test_a_run_that_fails_before_it_writes_leaves_no_empty_folder(pair_folder, tmp_path, capsys):
    (tmp_path / "store").touch()
    options = [*tiny(pair_folder, tmp_path / "runs"), f"--data.store={tmp_path}/store"]
    assert main(["fit", f"--config={ROOT}/conf/triplet_urban_small.yaml", *options]) == 2
    assert "; set data.store or NIRGAN_CACHE" in capsys.readouterr().err
    assert list((tmp_path / "runs").rglob("version_*")) == []


def test_a_number_that_is_given_is_kept(tmp_path):
    (tmp_path / "mine/version_0").mkdir(parents=True)
    given, free = HistoryLogger(tmp_path, "mine", 5), HistoryLogger(tmp_path, "mine")
    assert (given.version, free.version, free.version) == (5, 1, 1)
    assert [folder.name for folder in sorted((tmp_path / "mine").iterdir())][1:] == ["version_1"]
