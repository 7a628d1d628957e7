"""Runs jobs: reads ahead, colorizes, and writes in the background."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from nirgan.data.scaling import Scale, hint_of_bits
from nirgan.errors import NirganError
from nirgan.inference.batch.jobs import Job
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.geotiff.colorize import colorize_geotiff
from nirgan.inference.images.files import JPEG, NirPicture, read
from nirgan.inference.video.colorize import colorize_video

PREFETCHED_PICTURES = 3
"""Number of pictures that are read ahead, and that wait to be written."""

LARGE_PIXELS_OR_BYTES = 16_000_000
"""Pixels of a picture, or bytes of a file, above which none is read ahead, to save memory."""


class ProgressListener(Protocol):
    """Receives the progress of jobs."""

    def frames(self, job: Job, count: int) -> None:
        """Called when `count` more frames of a video, or pixels of a raster, are done."""

    def finished(self, job: Job) -> None:
        """Called when a job has succeeded or failed."""


@dataclass(frozen=True)
class Options:
    """How files are read and written: the options of the same names of `colorize`.

    Attributes:
        depth: Bits per channel of the output; None: 8 for 8-bit input and for JPEG, else 16.
    """

    scale: Scale = field(default_factory=Scale)
    depth: int | None = None
    uncertainty: bool = False
    band: int | None = None
    largest: float = 100.0


@dataclass
class Outcome:
    """Files that were written; a line for every job that failed, and for what may look wrong."""

    done: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)


def run_jobs(
    colorizer: Colorizer, jobs: list[Job], options: Options, progress: ProgressListener
) -> Outcome:
    """Run all jobs; one that fails does not stop the others."""
    outcome = Outcome()
    threads = min(4, os.cpu_count() or 1)
    readers, writers = ThreadPoolExecutor(threads), ThreadPoolExecutor(threads)
    writing: deque[tuple[Job, Future[None]]] = deque()

    @contextmanager
    def noting(job: Job) -> Iterator[None]:
        try:
            yield
        except NirganError as error:
            outcome.problems.append(str(error))
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            outcome.problems.append(f"{job.source}: {why}")
        else:
            return
        progress.finished(job)

    def settle(left: int) -> None:
        while len(writing) > left:
            job, written = writing.popleft()
            with noting(job):
                written.result()
                outcome.done.append(job.target)
                progress.finished(job)

    try:
        for job, reading in _read_ahead(readers, jobs, options):
            with noting(job):
                if reading is None:
                    outcome.hints += _stream(colorizer, job, options, progress)
                    outcome.done.append(job.target)
                    progress.finished(job)
                else:
                    picture = reading.result()
                    left = PREFETCHED_PICTURES if picture.band.size < LARGE_PIXELS_OR_BYTES else 0
                    # Nothing here holds what is written, so that two are never in memory.
                    writing.append(
                        (job, writers.submit(_colorized(colorizer, job, picture, options, outcome)))
                    )
                    settle(left)
        settle(0)
    finally:
        readers.shutdown(cancel_futures=True)
        writers.shutdown(cancel_futures=True)
    return outcome


def _read_ahead(
    readers: ThreadPoolExecutor, jobs: list[Job], options: Options
) -> Iterator[tuple[Job, "Future[NirPicture] | None"]]:
    """Every job, and the picture that it begins with; of large files only the next one."""
    ahead: deque[tuple[Job, Future[NirPicture] | None]] = deque()
    for job in jobs:
        reading = None
        if job.kind == "picture":
            reading = readers.submit(read, job.source, options.largest, options.band)
        ahead.append((job, reading))
        while len(ahead) > PREFETCHED_PICTURES or any(_large(job.source) for job, _ in ahead):
            yield ahead.popleft()
    yield from ahead


def _large(path: Path) -> bool:
    try:
        return path.stat().st_size > LARGE_PIXELS_OR_BYTES
    except OSError:
        return False


def _colorized(
    colorizer: Colorizer, job: Job, picture: NirPicture, options: Options, outcome: Outcome
) -> Callable[[], None]:
    """Colorize a picture; gives what writes it."""
    depth = 8 if job.target.suffix.lower() in JPEG else None
    write = colorizer.colorize_file(
        picture,
        job.source,
        job.target,
        options.scale,
        options.depth or depth,
        job.uncertainty if options.uncertainty else None,
    )
    hint = hint_of_bits(picture.band) if options.scale.kind == "dtype" else ""
    outcome.hints += [f"{job.source}: {h}" for h in (hint, picture.remark) if h]
    return write


def _stream(
    colorizer: Colorizer, job: Job, options: Options, progress: ProgressListener
) -> list[str]:
    """Colorize what does not fit into memory; gives what its owner should know."""
    given = colorizer, job.source, job.target, options.scale
    tick = partial(progress.frames, job)
    if job.kind == "video":
        hint = colorize_video(*given, tick, largest=options.largest, band=options.band)
        maps = "--uncertainty makes maps of pictures and rasters, not of videos"
        hints = [hint, maps if options.uncertainty else ""]
        return [f"{job.source}: {hint}" for hint in hints if hint]
    degrees = job.uncertainty if options.uncertainty else None
    depth, band = options.depth, options.band
    return colorize_geotiff(*given, band=band, depth=depth, uncertainty=degrees, tick=tick)
