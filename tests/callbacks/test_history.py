import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nirgan.callbacks.history import HistoryLogger


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
    second.begin_with(tmp_path / "x" / f"version_{first.version}" / "metrics.csv", 2)
    second.log_metrics(rows[2], 2)
    second.save()
    assert second.rows == 3
    assert lines(second) == lines(whole)


@pytest.mark.parametrize("rows", [3, 1000])
def test_a_history_that_lacks_the_rows_is_another_runs(rows, tmp_path):
    first = logged(tmp_path, {"b": 0.1}, {"b": 0.2})
    second = HistoryLogger(tmp_path, name="x")
    for file in ("metrics.csv", "missing.csv"):
        second.begin_with(tmp_path / "x/version_0" / file, rows)
    assert second.rows == 0
    assert len(lines(first)) == 2


def test_a_kill_while_a_column_is_added_leaves_the_rows(tmp_path):
    code = (
        "import csv, os, signal\n"
        "from nirgan.callbacks.history import HistoryLogger\n"
        f"logger = HistoryLogger({str(tmp_path)!r}, name='x')\n"
        "logger.log_metrics({'a': 1.0}, 0)\n"
        "logger.save()\n"
        "csv.DictWriter.writeheader = lambda self: os.kill(os.getpid(), signal.SIGKILL)\n"
        "logger.log_metrics({'b': 2.0}, 1)\n"
        "logger.save()\n"
    )
    died = subprocess.run([sys.executable, "-c", code], check=False, env=os.environ)
    assert died.returncode == -signal.SIGKILL
    assert (tmp_path / "x/version_0/metrics.csv").read_text().split() == ["a,step", "1.0,0"]
