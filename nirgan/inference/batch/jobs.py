"""Finds the input files of `colorize`, and names their outputs."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from glob import has_magic
from pathlib import Path
from typing import Literal

from nirgan.inference.geotiff.colorize import is_geotiff
from nirgan.inference.images.files import PICTURES, TIFF
from nirgan.inference.video.colorize import VIDEOS
from nirgan.utils.paths import expand_home, glob_unlinked

MAP_SUFFIX = ".uncertainty.tif"
Kind = Literal["picture", "video", "geotiff"]


@dataclass(frozen=True)
class Job:
    """A file to colorize; its kind decides about reader and writer."""

    source: Path
    target: Path
    kind: Kind

    @property
    def uncertainty(self) -> Path:
        """The file of the uncertainty map, named after the target with its suffix."""
        return self.target.with_name(self.target.name + MAP_SUFFIX)


@dataclass
class JobPlan:
    """Jobs, sorted within folders; outputs that are there and kept; a line for every problem."""

    jobs: list[Job] = field(default_factory=list)
    there: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def plan_jobs(
    inputs: Sequence[str],
    output: Path,
    *,
    suffix: str | None = None,
    overwrite: bool = False,
    uncertainty: bool = False,
) -> JobPlan:
    """Find all inputs and their outputs.

    Inputs are files, folders (with all within), and patterns. A file is written to OUTPUT/NAME, a
    file in a folder to OUTPUT/PATH, its path in the folder; outputs are not inputs of a folder
    or a pattern around them, nor are maps of uncertainty, and no input is written over. `suffix` is
    that of the output pictures, with its dot; None: that of the input. With `uncertainty`, outputs
    that are there without a map are a problem.
    """
    plan = JobPlan()
    owners: dict[Path, Path] = {}
    sources: list[Path] = []
    for text in (str(expand_home(given)) for given in inputs):  # shells do not expand a quoted `~`
        found = False
        for source, within in _files(text, output, plan.problems):
            found = True
            sources.append(source)
            job = _job(source, output / within, suffix)
            other = owners.setdefault(job.target, source)
            if other is not source and _same(other, source):
                continue
            if other is not source:
                plan.problems.append(
                    f"{source}: would become {job.target}, as "
                    f"{other} does; give them outputs of their own"
                )
            elif _same(source, job.target):
                plan.problems.append(
                    f"{source}: would be written over itself; choose another --output"
                )
            elif not overwrite and os.path.exists(job.target):  # noqa: PTH110 (never raises)
                plan.there.append(job.target)
                if uncertainty and job.kind != "video" and not job.uncertainty.exists():
                    plan.problems.append(
                        f"{job.target}: is there without a map of uncertainty; "
                        "--overwrite makes both"
                    )
            else:
                plan.jobs.append(job)
        if not found and not any(p.startswith(text) for p in plan.problems):
            suffixes = ", ".join([*PICTURES, *sorted(VIDEOS)])
            plan.problems.append(f"{text}: no picture or video there ({suffixes})")
    given = set(map(os.path.realpath, sources)) if overwrite else set()  # what is there stays
    for job in [job for job in plan.jobs if overwrite and os.path.realpath(job.target) in given]:
        plan.jobs.remove(job)
        plan.problems.append(
            f"{job.source}: would be written over {job.target}, an input too; choose another "
            "--output"
        )
    return plan


def is_input(path: Path) -> bool:
    """Whether a file has the name of a picture or video, and not of what is made beside one."""
    if path.name.startswith(".") or path.name.endswith(MAP_SUFFIX):
        return False
    return path.suffix.lower() in (*PICTURES, *VIDEOS)


def _job(source: Path, target: Path, suffix: str | None) -> Job:
    if source.suffix.lower() in VIDEOS:
        return Job(source, target, "video")
    if source.suffix.lower() in TIFF and is_geotiff(source):
        return Job(source, target, "geotiff")
    return Job(source, target.with_suffix(suffix) if suffix else target, "picture")


def _files(text: str, output: Path, problems: list[str]) -> Iterator[tuple[Path, Path]]:
    """Every file of an input, and its path relative to the output folder."""
    path = Path(text)
    if os.path.isdir(path):  # noqa: PTH112 (pathlib's raises for names that are too long)
        yield from _inside(path, output, problems)
    elif os.path.lexists(path):
        yield path, Path(path.name)
    elif has_magic(text):
        parts = path.parts
        fixed = Path(*parts[: next(n for n, part in enumerate(parts) if has_magic(part))])
        for match in map(Path, glob_unlinked(text)):
            within = match.relative_to(fixed)
            if (
                is_input(match)
                and not match.is_dir()
                and not any(_same(fixed / parent, output) for parent in within.parents[:-1])
            ):
                yield match, within
    else:
        problems.append(f"{text}: no such file or folder")


def _inside(folder: Path, output: Path, problems: list[str]) -> Iterator[tuple[Path, Path]]:
    def refused(error: OSError) -> None:
        problems.append(f"{error.filename}: cannot be read ({error.strerror})")

    # Links to folders are not followed, since they may form loops.
    for parent, folders, names in os.walk(folder, onerror=refused):
        visible = (f for f in folders if not f.startswith("."))
        folders[:] = sorted(f for f in visible if not _same(Path(parent, f), output))
        for file in (Path(parent, name) for name in sorted(names)):
            if is_input(file):
                yield file, file.relative_to(folder)


def _same(one: Path, other: Path) -> bool:
    try:
        return one == other or one.samefile(other)
    except OSError:
        return False
