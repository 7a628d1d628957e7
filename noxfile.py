"""What CI runs and what a person runs: `python -m nox -s NAME`, `-l` lists them."""

import shutil
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.default_venv_backend = "venv"  # uv does not see the wheels that pip is told of

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@nox.session
def quickstart(session: nox.Session) -> None:
    """Train the triplet on procedural scenes for a few minutes; show what it learned."""
    session.install("-c", "constraints.txt", "-e", ".")
    session.run(
        "python", "-m", "nirgan", "fit", "--config", "conf/quickstart.yaml", *session.posargs
    )


@nox.session
def tests(session: nox.Session) -> None:
    """The whole suite, on two processes of one thread each."""
    session.install("-c", "constraints.txt", "-e", ".[dev]")
    session.run("pytest", "-n", "2", "--dist", "loadgroup", *session.posargs, env=ONE_THREAD)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: lint and format."""
    session.install("ruff")
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """mypy --strict on the package."""
    session.install("-c", "constraints.txt", "-e", ".[dev]")
    session.run("mypy")


@nox.session
def lowest(session: nox.Session) -> None:
    """The suite with the lowest supported version of every direct dependency."""
    session.install("uv")
    floors = Path(session.create_tmp()) / "floors.txt"
    session.run(
        *("uv", "pip", "compile", "--quiet", "--resolution", "lowest-direct", "--extra", "dev"),
        *("--python-version", "3.11", "--output-file", str(floors), "pyproject.toml"),
    )
    session.install("-r", str(floors))
    session.install("--no-deps", "-e", ".")
    session.run("pytest", "-n", "2", "--dist", "loadgroup", *session.posargs, env=ONE_THREAD)


@nox.session(venv_backend="none")
def clean(session: nox.Session) -> None:
    """Remove runs and caches of this folder."""
    for name in ("runs", ".mypy_cache", ".ruff_cache", ".pytest_cache"):
        shutil.rmtree(name, ignore_errors=True)
