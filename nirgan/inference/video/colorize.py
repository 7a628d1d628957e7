"""Colorizes the frames of a video, and keeps everything else.

Decoding, colorizing and encoding overlap, with a few batches of frames in memory. PyAV is imported
when a video is colorized.
"""

from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from nirgan.data.scaling import Scale, hint_of_bits
from nirgan.errors import needs_extra
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.images.metadata import description
from nirgan.inference.video.temporal_filter import TemporalSmoother
from nirgan.utils.atomic_write import atomic_write
from nirgan.utils.prefetch import prefetch, write_behind

VIDEOS = {".mp4", ".mov", ".mkv", ".avi", ".webm"}
"""Suffixes of files that are taken for videos."""


def colorize_video(
    colorizer: Colorizer,
    source: Path,
    target: Path,
    scale: Scale,
    tick: Callable[[int], None],
    batch: int = 4,
    max_megapixels: float = 100.0,
    band: int | None = None,
) -> str:
    """Colorize a video; gives a hint, if no frame has a value that is not dark.

    Time stamps, frame rate, shape of pixels, chapters and tags are kept; sound and subtitles are
    copied as they are. Rotation is applied to the pixels, so that every player shows them upright,
    and the network too sees them so. H.264 with 4:2:0 colors (4:4:4 for odd sizes), or VP9 in
    WebM, BT.709 in limited range, 8 bits. Of several video streams the first is taken.

    Args:
        colorizer: Makes the colors.
        source: A video of one band: grey, YUV without color, or equal channels.
        target: The output; its suffix, one of `VIDEOS`, determines the container.
        scale: Percentiles are those of the whole video, which is read twice for them. Values of
            limited range are converted to full range first.
        tick: Called with the number of further frames that are done.
        batch: Frames per batch.
        max_megapixels: Megapixels; larger frames are refused.
        band: The channel that is near-infrared, from 1 on; None: all hold it.

    Raises:
        NirganError: PyAV is not installed; the source is no video, damaged, cut off, in color, or
            its frames are too large or change size; the target cannot be written.
    """
    with needs_extra("video", source):
        from nirgan.inference.video import reader as reading  # noqa: PLC0415
        from nirgan.inference.video import writer as writing  # noqa: PLC0415
    with reading.open_video(source, max_megapixels, band) as reader:
        frames = (item for item in reader.read() if isinstance(item, reading.Frame))
        first = next(frames)
        every = reading.sample(chain([first], frames)) if scale.kind == "percentile" else first.band
    limits = first.codes.limits(scale, every, source)
    whole = scale.kind == "dtype" and first.codes.bits == 8 * first.band.itemsize
    brightest = 0.0
    with reading.open_video(source, max_megapixels, band) as reader, atomic_write(target) as part:
        text = description(colorizer.title)
        with (
            writing.video_writer(part, target, reader, first, text) as writer,
            prefetch(reader.read(), 2 * batch) as items,
            write_behind(writer.write, batch) as put,
        ):
            smoother = TemporalSmoother(colorizer)
            waiting: list[reading.Frame] = []
            for item in chain(items, [None]):  # None: the end
                if isinstance(item, reading.Frame):
                    waiting.append(item)
                elif item is not None:
                    put(item)
                if len(waiting) == batch or (waiting and item is None):
                    nir = torch.stack([limits.to_unit(frame.band) for frame in waiting])
                    brightest = max(brightest, nir.max().item())
                    for done in zip(waiting, smoother(nir), strict=True):
                        put(done)
                    tick(len(waiting))
                    waiting = []
    most = np.iinfo(first.band.dtype).max
    top = np.array(round(brightest * most), first.band.dtype)
    return hint_of_bits(top) if whole else ""
