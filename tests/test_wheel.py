"""Who installs the wheel gets the experiments that the documents name."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from conftest import ROOT
from jsonargparse import ArgumentParser

from nirgan.cli.main import main
from nirgan.experiment.config_errors import parse
from nirgan.experiment.lightning_cli import configuration
from nirgan.sweeps.file import read
from nirgan.utils.paths import resolve_shipped

BUILT = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
GIVEN = ("conf", "sweeps")
BUILD = "from setuptools import build_meta as b; b.build_sdist('.'); b.build_wheel('.')"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what a wheel unpacks to; the source distribution is looked at, too."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in BUILT:
        shutil.copy(ROOT / name, folder / name)
    for name in ("nirgan", *GIVEN):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-c", BUILD], cwd=folder, check=True, capture_output=True)
    (sdist,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(sdist, folder / "sdist", filter="data")
    with ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder


def test_every_experiment_and_sweep_comes_along(installed):
    expected = {p.relative_to(ROOT) for top in GIVEN for p in (ROOT / top).rglob("*.yaml")}
    package, (source,) = installed / "site/nirgan", (installed / "sdist").iterdir()
    assert {p.relative_to(package) for p in package.rglob("*.yaml")} == expected
    assert expected <= {p.relative_to(source) for p in source.rglob("*.yaml")}
    for path in expected:
        assert (package / path).read_bytes() == (ROOT / path).read_bytes()
    assert (package / "inference/weights/default/model.safetensors").is_file()
    assert sorted(p.name for p in (installed / "site").iterdir() if p.suffix != ".dist-info") == [
        "nirgan"
    ]


def test_the_wheel_names_the_script_and_what_the_core_needs(installed):
    site = str(installed / "site")
    (wheel,) = distributions(name="nirgan", path=[site])
    assert [(e.name, e.load()) for e in wheel.entry_points] == [("nirgan", main)]
    core = {re.split(r"\W", one)[0] for one in wheel.requires if "extra ==" not in one}
    assert {"torch", "lightning", "torchmetrics", "albumentations", "omegaconf", "wandb"} <= core
    assert not core & {"matplotlib", "optuna", "gradio", "onnx"}


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""A locale whose coding lacks what a configuration says."""


def test_configurations_are_found_in_an_empty_folder_and_are_utf8_in_any_locale(
    installed, tmp_path
):
    (tmp_path / "part.yaml").write_bytes("# größer\npatch: 48\n".encode())
    (tmp_path / "mine.yaml").write_bytes("# größer\nname: grün\ndata: part.yaml\n".encode())
    (empty := tmp_path / "empty").mkdir()
    files = ["--config=conf/quickstart.yaml", "--config=../mine.yaml"]
    done = subprocess.run(
        [sys.executable, "-m", "nirgan", "fit", *files, "--print_config"],
        cwd=empty,
        env=os.environ | ASCII | {"PYTHONPATH": str(installed / "site")},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    config = yaml.safe_load(done.stdout.decode("utf-8"))
    assert (config["name"], config["data"]["patch"]) == ("grün", 48)
    assert config["data"]["source"]["class_path"].endswith("Synthetic")  # the quickstart's
    assert not any(empty.iterdir())


def test_every_verb_finds_them_from_any_folder(tmp_path, monkeypatch, capsys):
    """In a clone they lie beside the package; a file of one's own of that name comes first."""
    monkeypatch.chdir(tmp_path)
    assert (
        resolve_shipped("--model=conf/model/welsh.yaml") == f"--model={ROOT}/conf/model/welsh.yaml"
    )
    assert resolve_shipped("./conf/data/vcip.yaml") == f"{ROOT}/conf/data/vcip.yaml"
    for other in ("conf", "conf/none.yaml", "conf/../nirgan", "nirgan/errors.py", "--x=1", "--c"):
        assert resolve_shipped(other) == other
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("file", type=Path)
    sweep = read(parse(parser, ["sweeps/noise.yaml"]).file)
    assert configuration(sweep.arguments({}))["name"] == "triplet_urban_small_reconstruction"
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/quickstart.yaml").write_text("nmae: mine")
    for file, told in (("quickstart", "no key 'nmae'"), ("quickstrat", "mean 'quickstart.yaml'")):
        assert main(["fit", f"--config=conf/{file}.yaml"]) == 2
        assert told in capsys.readouterr().err
