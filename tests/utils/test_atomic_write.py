"""What the disk refuses, what JSON lacks, what is not UTF-8."""

import errno
import json
import os
from math import inf, nan

import pytest
import torch
from conftest import ROOT
from test_experiments import tiny

from nirgan.cli.main import main
from nirgan.metrics import CIEDE2000, ColorfulnessRatio
from nirgan.utils.atomic_write import write_json

URBAN = f"--config={ROOT}/conf/triplet_urban_small.yaml"


def one_line(capsys, *arguments):
    assert main([*map(str, arguments)]) == 2
    said = [x for x in capsys.readouterr().err.splitlines() if x.startswith("nirgan")]
    assert len(said) == 1
    return said[0].removeprefix(f"nirgan {arguments[0]}: ")


SWEEP = f"""
method: grid
metric: {{name: val/angular_error, goal: minimize}}
parameters: {{seed_everything: {{value: 1}}}}
command: [python, -m, nirgan, fit, {URBAN}, "${{args}}"]
"""
PLACES = {
    "results": ("fit", URBAN, "--trainer.default_root_dir={file}"),
    "results, a loop of links": ("fit", URBAN, "--trainer.default_root_dir={loop}"),
    "results, a long name": ("fit", URBAN, "--name={long}"),
    "results without a history": (
        *("fit", URBAN, "--trainer.logger=false", "--trainer.default_root_dir={file}"),
    ),
    "store": ("fit", URBAN, "--data.store={file}"),
    "sweep": ("sweep", "{sweep}", "--out={file}"),
    "benchmark": ("benchmark", f"--config={ROOT}/tests/conf/benchmark.yaml", "--out={file}/x"),
    "check": ("check", "--source=Synthetic", "--source.count=1", "--csv={file}/x.csv"),
    "export": ("export", "default", "--format=safetensors", "--output={file}/x"),
    "download": ("download", "--root={file}/x"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_cannot_be_written_is_one_line(place, pair_folder, tmp_path, capsys):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    places = {
        "sweep": tmp_path / "sweep.yaml",
        "file": tmp_path / "file",
        "loop": tmp_path / "loop",
        "long": "x" * 300,
    }
    verb, *given = (str(word).format(**places) for word in PLACES[place])
    common = tiny(pair_folder, tmp_path / "runs") if verb == "fit" else []
    config, *options = given
    error = one_line(capsys, verb, config, *common, *options)
    named = {"results, a long name": "x" * 300, "results, a loop of links": "loop"}
    assert named.get(place, str(tmp_path / "file")) in error
    reasons = (errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG)
    assert any(os.strerror(reason) in error for reason in reasons)


def test_a_full_disk_under_a_history_is_one_line(pair_folder, tmp_path, capsys, monkeypatch):
    from nirgan.callbacks.history import AtomicCSVWriter

    def full(writer):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), writer.metrics_file_path)

    monkeypatch.setattr(AtomicCSVWriter, "save", full)
    error = one_line(capsys, "fit", URBAN, *tiny(pair_folder, tmp_path / "runs"))
    file = tmp_path / "runs/triplet_urban_small/version_0/metrics.csv"
    assert error == f"{file}: No space left on device"


def test_a_librarys_own_error_keeps_its_traceback(monkeypatch):
    def library(arguments):
        raise OSError("no model of this name")

    monkeypatch.setattr("nirgan.cli.check.main", library)
    with pytest.raises(OSError, match="no model"):
        main(["check"])


NAMES = {
    "fit": [URBAN, "--trainer.default_root_dir=bad\udce9"],
    "colorize": ["x.png", "--output", "bad\udce9"],
}


@pytest.mark.parametrize("verb", NAMES)
def test_a_name_that_is_not_utf8_is_said_to_be_none(verb, capsys):
    error = one_line(capsys, verb, *NAMES[verb])
    assert "not UTF-8; give another" in error


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def test_what_json_lacks_is_null(tmp_path):
    write_json(tmp_path / "x.json", {"a": [nan, (inf, {"b": -inf})], "c": 1.5, "d": nan})
    read = json.loads((tmp_path / "x.json").read_text(), parse_constant=refuse)
    assert read == {"a": [None, [None, {"b": None}]], "c": 1.5, "d": None}


def test_results_are_json_whatever_a_metric_comes_to(pair_folder, tmp_path, monkeypatch):
    for metric, value in ((ColorfulnessRatio, inf), (CIEDE2000, nan)):

        def score(metric, prediction, target, value=value):
            ones = torch.ones(len(target))
            return value * ones, ones

        monkeypatch.setattr(metric, "score", score)
    assert main(["fit", URBAN, *tiny(pair_folder, tmp_path / "runs")]) == 0
    run = tmp_path / "runs/triplet_urban_small/version_0"
    rows = json.loads((run / "results.json").read_text(), parse_constant=refuse)["rows"]
    for row in rows.values():
        assert (row["colorfulness"], row["ciede2000"]) == (None, None)
        assert row["ssim"] is not None


@pytest.mark.parametrize("file", ["mine.yaml", "part.yaml"])
def test_a_configuration_in_another_coding_is_named(file, tmp_path, capsys):
    (tmp_path / "part.yaml").write_text("patch: 48\n")
    (tmp_path / "mine.yaml").write_text("data: part.yaml\n")
    with (tmp_path / file).open("ab") as stream:
        stream.write("# größer\n".encode("latin-1"))
    error = one_line(capsys, "fit", URBAN, f"--config={tmp_path}/mine.yaml")
    assert error == f"{tmp_path}/{file}: not UTF-8 (invalid start byte); save it as UTF-8"
