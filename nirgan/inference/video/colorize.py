"""Videos: their frames in color, all else as it was.

Streamed: decoding, colorizing and encoding overlap, and hold no more than a few batches of frames.
PyAV is imported when a video is there.
"""

from collections.abc import Callable
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from nirgan.data.scaling import Scale
from nirgan.errors import NirganError, printable_path
from nirgan.inference.images.metadata import description
from nirgan.inference.video.temporal_filter import ColorizerLike, TemporalSmoother
from nirgan.utils.atomic_write import atomic_write
from nirgan.utils.prefetch import ahead, behind

if TYPE_CHECKING:
    from nirgan.inference.video.reader import Frame

SUFFIXES = {".mp4", ".mov", ".mkv", ".avi", ".webm"}


def is_video(path: Path) -> bool:
    """Whether a file's name is that of a video."""
    return path.suffix.lower() in SUFFIXES


def colorize_video(
    colorizer: ColorizerLike,
    source: Path,
    target: Path,
    scale: Scale,
    tick: Callable[[int], None],
    batch: int = 4,
    largest: float = 100.0,
    band: int | None = None,
) -> None:
    """Colorize a video.

    Time stamps, frame rate, shape of pixels, chapters and tags are kept; sound and subtitles are
    copied as they are. Rotation is applied to the pixels, so that every player shows them upright,
    and the network too sees them so. H.264 with 4:2:0 colors (4:4:4 for odd sizes), or VP9 in
    WebM, BT.709 in limited range, 8 bits. Of several video streams the first is taken.

    Args:
        colorizer: Makes the colors.
        source: A video of one band: grey, YUV without color, or equal channels.
        target: Its suffix, one of `SUFFIXES`, says the container.
        scale: What becomes [0, 1], the same of all frames: percentiles are those of the whole
            video, which is read twice for them. Values of limited range are taken as those of
            full range that they stand for.
        tick: Is told how many more frames are done.
        batch: Frames that the colorizer is given at once.
        largest: Megapixels; larger frames are refused.
        band: The channel that is near-infrared, from 1 on; None: all hold it.

    Raises:
        NirganError: PyAV is not installed; the source is no video, damaged, cut off, in color, or
            its frames are too large or change size; the target cannot be written. The target is
            there whole or not at all.
    """
    try:
        from nirgan.inference.video import reader as reading  # noqa: PLC0415 (an extra)
        from nirgan.inference.video import writer as writing  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise NirganError(
            f"{printable_path(source)}: {error.name} is not installed, and videos need it: "
            "pip install 'nirgan[video]'"
        ) from error
    with closing(reading.frames_of(source, largest, band)) as frames:
        first = next(frames)
        every = reading.sample(chain([first], frames)) if scale.kind == "percentile" else None
    limits = first.codes.limits(
        scale, first.band if every is None else every, printable_path(source)
    )
    with reading.open_video(source) as container, atomic_write(target) as part:
        pictures = reading.video_stream_of(source, container, largest)
        reader = reading.VideoReader(source, container, pictures, band)
        text = description(colorizer.title)
        with (
            writing.video_writer(
                part, printable_path(target), container, pictures, first, text
            ) as writer,
            ahead(reader.read(), 2 * batch) as items,
            behind(writer.write, batch) as put,
        ):
            steady = TemporalSmoother(colorizer)

            def colorize(frames: "list[Frame]") -> None:
                nir = torch.stack([limits.to_unit(frame.band) for frame in frames])
                for done in zip(frames, steady(nir), strict=True):
                    put(done)
                tick(len(frames))

            waiting: list[Any] = []
            for item in items:
                if not isinstance(item, reading.Frame):
                    put(item)
                    continue
                waiting.append(item)
                if len(waiting) == batch:
                    colorize(waiting)
                    waiting = []
            if waiting:
                colorize(waiting)
