"""What CI runs and what a person runs: `python -m nox -s NAME`, `-l` lists them."""

import os
import shutil
from functools import partial
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.default_venv_backend = "venv"  # uv does not see the wheels that pip is told of

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
TESTED = ONE_THREAD | {"PYTHONUTF8": "1"}  # what tests themselves read is UTF-8


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
    session.run("pytest", "-n", "2", "--dist", "loadgroup", *session.posargs, env=TESTED)


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
    session.run("pytest", "-n", "2", "--dist", "loadgroup", *session.posargs, env=TESTED)


@nox.session
def package(session: nox.Session) -> None:
    """Build the wheel into dist/, check it, and use it in an empty environment and folder."""
    session.install("build", "twine")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build")
    (wheel,) = Path("dist").resolve().glob("*.whl")
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))
    folder = Path(session.create_tmp()).resolve()
    for name in ("empty", "work"):
        shutil.rmtree(folder / name, ignore_errors=True)
    session.run("python", "-m", "venv", str(folder / "empty"))
    scripts = folder / "empty" / ("Scripts" if os.name == "nt" else "bin")
    python, nirgan = str(scripts / "python"), str(scripts / "nirgan")
    install = [python, "-m", "pip", "install", "--quiet", "-c", "constraints.txt"]
    session.run(*install, f"{wheel}[sweep]", external=True)
    own = folder / "work/conf/triplet_urban_small_reconstruction.yaml"  # wins over the package's
    own.parent.mkdir(parents=True)
    session.chdir(folder / "work")
    env = ONE_THREAD | {"NIRGAN_CACHE": str(folder / "work/cache")}
    run = partial(session.run, external=True, env=env)
    run(nirgan, "--version")
    fit = [python, "-m", "nirgan", "fit", "--config", "conf/quickstart.yaml"]
    fit += ["--trainer.max_epochs=1", "--trainer.limit_train_batches=4"]
    run(*fit)
    with own.open("w", encoding="utf-8") as out:
        run(*fit, "--print_config", stdout=out)
    run(nirgan, "sweep", "sweeps/noise.yaml", "--trials=1")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documents as a site into site/; a link that leads nowhere fails."""
    session.install("mkdocs-material>=9.6", "mkdocstrings[python]>=0.29")
    session.run("mkdocs", "build", "--strict", *session.posargs)


@nox.session(venv_backend="none")
def clean(session: nox.Session) -> None:
    """Remove runs and caches of this folder."""
    for name in ("runs", "site", ".mypy_cache", ".ruff_cache", ".pytest_cache"):
        shutil.rmtree(name, ignore_errors=True)
