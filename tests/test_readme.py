"""What the README and the documents tell a person to type works."""

import json
import re
import shlex

import fsspec
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from nirgan.cli.main import EXPERIMENTS, main
from nirgan.data.sources.base import pairs_of
from nirgan.data.store import PairStore
from nirgan.metrics import METRICS

DOCUMENTS = [*sorted(ROOT.glob("[A-Z]*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def commands():
    """Every command of the documents, as its words."""
    found = {}
    for document in DOCUMENTS:
        if document.name == "tutorial.md":
            continue  # run as a whole, below
        for block in re.findall(r"```(?:bash|sh)\n(.*?)```", document.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("python -m nirgan "):
                    _, _, _, *words = shlex.split(line, comments=True)
                    found[shlex.join(words)] = words
    return found


COMMANDS = commands()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_understood(command, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    verb, *arguments = COMMANDS[command]
    if verb in ("--help", "--version"):
        assert main([verb]) == 0
        return
    ask = ["--print_config"] if verb in EXPERIMENTS else ["--help"]
    with pytest.raises(SystemExit) as end:
        main([verb, *arguments, *ask])
    assert end.value.code == 0
    assert capsys.readouterr().out


def test_the_readme_has_commands_a_picture_and_ci_runs_its_test_command():
    readme = (ROOT / "README.md").read_text()
    assert len(COMMANDS) >= 5
    command = "python -m pip install nox && python -m nox -s tests"
    assert command in readme
    assert command in (ROOT / ".ci/run").read_text()
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme):
        assert (ROOT / picture).is_file()
    assert re.search(r"!\[", readme)


def test_the_readme_says_what_was_measured():
    lines = (ROOT / "README.md").read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| | angular error |"))
    told = [
        [cell.strip() for cell in line.split("|")[2:-1]] for line in lines[start + 2 : start + 6]
    ]
    default = json.loads((ROOT / "results/default/results.json").read_text())["rows"]["all"]
    folds = json.loads((ROOT / "results/folds/results.json").read_text())["tables"][0]["rows"]
    names = ("angular_error_images", "angular_error_colored", "ciede2000", "colorfulness", "psnr")
    rows = (*default.values(), folds[0], folds[3])
    assert folds[3]["method"] == "scene U-Net"
    assert told == [[METRICS[name].text(row[name]) for name in names] for row in rows]


def python_blocks(name):
    text = (ROOT / "docs" / name).read_text()
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_the_way_from_a_folder_of_pairs_to_a_model(tmp_path, monkeypatch):
    """Every step of the tutorial, with a tenth of its pairs and a moment of training."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/tutorial.md").read_text()
    few = "--trainer.max_epochs 1 --data.train_patches 32 --data.val_patches 8"
    for kind, block in re.findall(r"```(python|bash)\n(.*?)```", text, re.DOTALL):
        if kind == "python":
            exec(block.replace("count=40", "count=5"), {})
            continue
        for line in block.splitlines():
            _, _, _, *arguments = shlex.split(line)
            assert main(arguments + (few.split() if arguments[0] == "fit" else [])) == 0, line
    assert Image.open("street.png").mode == "RGB"
    assert len(list((tmp_path / "color").iterdir())) == 5


def test_the_page_on_colorizing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nir = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    for name in "ab":
        Image.fromarray(nir.astype(np.uint8)).save(f"{name}.png")
    (block,) = python_blocks("colorize.md")
    names = {"nir": nir}
    exec(block, names)
    assert names["rgb"].shape == (64, 64, 3)
    assert [file.name for file in names["files"]] == ["a.png", "b.png"]


def test_links_between_documents_lead_somewhere():
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if not link.startswith("http"):
                assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_what_comes_next_after_a_run_is_there():
    from nirgan.evaluation.summary import NEXT_STEPS

    for path in re.findall(r"(?:conf|sweeps)/[\w.]+", NEXT_STEPS):
        assert (ROOT / path).is_file()


def test_the_page_on_data_reads_an_object_store(tmp_path):
    (block,) = python_blocks("data.md")
    names = {"__name__": "remote"}
    exec(block, names)
    system = fsspec.filesystem("memory")
    for number in range(3):
        for band, size in (("nir", (60, 70)), ("rgb", (60, 70, 3))):
            with system.open(f"/pairs/{number}_{band}.png", "wb") as stream:
                Image.fromarray(np.full(size, 10 * number, np.uint8)).save(stream, "png")
    stored = PairStore(tmp_path).build(pairs_of(names["Remote"]("memory://pairs")))
    assert [pair.name for pair in stored.pairs] == ["remote/0", "remote/1", "remote/2"]
    assert stored[2].shape == (60, 70, 4)
    assert (stored[2] == 20).all()
