"""Runs jobs: reads ahead, colorizes, writes in the background, and shows progress."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from nirgan.data.scaling import Scale, hint_of_bits
from nirgan.errors import NirganError, printable_path
from nirgan.inference.batch.jobs import Job
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.geotiff.colorize import colorize_geotiff
from nirgan.inference.images.files import NirPicture, read
from nirgan.inference.video.colorize import colorize_video

PREFETCHED_PICTURES = 3
"""Number of pictures that are read ahead, and that wait to be written."""

LARGE_FILE_BYTES = LARGE_PICTURE_PIXELS = 16_000_000
"""Sizes of a file and of a picture above which none is read ahead, to save memory."""


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


def run_jobs(colorizer: Colorizer, jobs: list[Job], options: Options) -> Outcome:
    """Run all jobs; one that fails does not stop the others. A terminal shows the progress."""
    outcome = Outcome()
    threads = min(4, os.cpu_count() or 1)
    readers, writers = ThreadPoolExecutor(threads), ThreadPoolExecutor(threads)
    writing: deque[tuple[Job, Future[None]]] = deque()
    files = tqdm(total=len(jobs), unit="file", disable=None, smoothing=0.1)

    def settle(left: int) -> None:
        while len(writing) > left:
            job, written = writing.popleft()
            error = written.exception()
            if error is None:
                outcome.done.append(job.target)
            elif isinstance(error, NirganError):
                outcome.problems.append(str(error))
            else:
                why = " ".join(f"{type(error).__name__}: {error}".split())
                outcome.problems.append(f"{job.source}: {why}")
            files.update()

    try:
        for job, reading in _read_ahead(readers, jobs, options):
            left, written = PREFETCHED_PICTURES, Future[None]()
            try:
                if reading is None:
                    left = 0
                    outcome.hints += _colorize_in_parts(colorizer, job, options)
                    written.set_result(None)
                else:
                    picture = reading.result()
                    left = left if picture.band.size < LARGE_PICTURE_PIXELS else 0
                    # No variable keeps the colors in memory while the next picture is made.
                    written = writers.submit(
                        _colorize_picture(colorizer, job, picture, options, outcome)
                    )
            except Exception as error:
                written.set_exception(error)
            writing.append((job, written))
            settle(left)
        settle(0)
    finally:
        files.close()
        readers.shutdown(cancel_futures=True)
        writers.shutdown(cancel_futures=True)
    return outcome


def _read_ahead(
    readers: ThreadPoolExecutor, jobs: list[Job], options: Options
) -> Iterator[tuple[Job, "Future[NirPicture] | None"]]:
    """Every job in order, with its picture, which is read in the background; None: no picture.

    Of large files, only the next one is read.
    """
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
        return path.stat().st_size > LARGE_FILE_BYTES
    except OSError:
        return False


def _colorize_picture(
    colorizer: Colorizer, job: Job, picture: NirPicture, options: Options, outcome: Outcome
) -> Callable[[], None]:
    """Colorize a picture; returns the function that writes it."""
    write = colorizer.colorize_file(
        picture,
        job.source,
        job.target,
        options.scale,
        options.depth,
        job.uncertainty if options.uncertainty else None,
    )
    hint = hint_of_bits(picture.band) if options.scale.kind == "dtype" else ""
    outcome.hints += [f"{job.source}: {h}" for h in (hint, picture.remark) if h]
    return write


def _colorize_in_parts(colorizer: Colorizer, job: Job, options: Options) -> list[str]:
    """Colorize a video or a raster, frame by frame or window by window; returns hints."""
    given = colorizer, job.source, job.target, options.scale
    unit = "frame" if job.kind == "video" else "pixel"
    name = printable_path(job.source.name)
    with tqdm(desc=name, unit=unit, unit_scale=True, disable=None, leave=False) as bar:
        if job.kind == "geotiff":
            degrees = job.uncertainty if options.uncertainty else None
            return colorize_geotiff(*given, options.band, options.depth, degrees, bar.update)
        hint = colorize_video(*given, bar.update, max_megapixels=options.largest, band=options.band)
        maps = "--uncertainty makes maps of pictures and rasters, not of videos"
        hints = [hint, maps if options.uncertainty else ""]
        return [f"{job.source}: {hint}" for hint in hints if hint]
