"""What CI runs is what a person runs, and what a report of an error asks for is there."""

import ast
import re
import tomllib

import pytest
import yaml
from conftest import ROOT

import nirgan

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SESSIONS = {
    node.name
    for node in ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef) and node.decorator_list
}
CLASSIFIERS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "classifiers"
]


def sessions(text):
    return set(" ".join(re.findall(r"nox -s ((?:\w+ ?)+)", text)).split())


def test_every_session_of_ours_is_run_by_ci_and_told_to_contributors():
    told = sessions((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    run = sessions("\n".join(file.read_text(encoding="utf-8") for file in WORKFLOWS))
    assert told == run == SESSIONS - {"quickstart", "clean"}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_does_nothing_but_a_session_and_may_only_read(file):
    workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        for line in (step["run"] for step in job["steps"] if "run" in step):
            assert re.fullmatch(r"python -m (pip install nox|nox -s [\w ]+)", line)


def test_every_python_that_is_named_is_tested_on_every_system():
    jobs = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))[
        "jobs"
    ]
    matrix = jobs["tests"]["strategy"]["matrix"]
    named = [c.rpartition(" ")[2] for c in CLASSIFIERS if re.search(r"Python :: 3\.\d+", c)]
    assert matrix["python"] == named
    assert [system.partition("-")[0] for system in matrix["os"]] == ["ubuntu", "macos", "windows"]


@pytest.mark.parametrize("name", ["bug", "idea"])
def test_a_report_asks_for_the_command_and_the_version(name):
    form = yaml.safe_load((ROOT / f".github/ISSUE_TEMPLATE/{name}.yml").read_text(encoding="utf-8"))
    fields = {field["id"]: field["attributes"]["label"] for field in form["body"]}
    assert "command" in fields["command"].lower()
    assert "`python -m nirgan --version`" in fields["version"]


def test_the_changelog_knows_the_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert nirgan.__version__ in changelog
    assert re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)[0] == "Unreleased"
