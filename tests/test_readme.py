"""What the README tells a person to type works."""

import re
import shlex

import pytest
from conftest import ROOT

from nirgan.cli.main import EXPERIMENTS, main

DOCUMENTS = [*sorted(ROOT.glob("[A-Z]*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def commands():
    for document in DOCUMENTS:
        for block in re.findall(r"```(?:bash|sh)\n(.*?)```", document.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("python -m nirgan "):
                    yield pytest.param(line, id=line[:80])


@pytest.mark.parametrize("line", list(commands()))
def test_a_command_is_understood(line, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    _, _, _, verb, *arguments = shlex.split(line, comments=True)
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
    assert len(list(commands())) >= 5
    command = "python -m pip install nox && python -m nox -s tests"
    assert command in readme
    assert command in (ROOT / ".ci/run").read_text()
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme):
        assert (ROOT / picture).is_file()
    assert re.search(r"!\[", readme)


def test_links_between_documents_lead_somewhere():
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if not link.startswith("http"):
                assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_what_comes_next_after_a_run_is_there():
    from nirgan.evaluation.summary import NEXT_STEPS

    for path in re.findall(r"(?:conf|sweeps)/[\w.]+", NEXT_STEPS):
        assert (ROOT / path).is_file()
