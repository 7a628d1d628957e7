"""Reads the frames of a video with their times, and the packets of sound and subtitles."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from nirgan.data.images import Pixels
from nirgan.errors import NirganError
from nirgan.inference.video.frames import Matrix, PixelCodes, band_of, display_matrix, upright

# FFmpeg detects formats by content. Some of them are playlists, which open further files and URLs.
DEMUXER_OPTIONS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi",
    "protocol_whitelist": "file",
}

SAMPLED_PIXELS, SAMPLED_VALUES = 2**16, 900_000
"""About how many pixels of a frame, and values of a video, percentiles are computed from."""

DURATION_TOLERANCE_S = 0.5
"""Seconds by which a file may be shorter than its header says, because of sound packets."""


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        band: H x W as it is shown; uint8 or uint16.
        codes: The meaning of its values.
        pts: When it is shown, in the stream's time base.
        duration: Its duration, likewise; 0 if it is not known.
        turned: Whether height and width were swapped to make it upright.
    """

    band: Pixels
    codes: PixelCodes
    pts: int
    duration: int
    turned: bool


@contextmanager
def open_video(path: Path, max_megapixels: float, band: int | None) -> "Iterator[VideoReader]":
    """Open a video, whose frames have so many megapixels at the most, for one reading.

    Raises:
        NirganError: It cannot be read, is not a video, cannot be decoded, or its frames are larger.
    """
    try:
        with path.open("rb"):  # for the error message of the system
            pass
        container = av.open(f"file:{path}", options=DEMUXER_OPTIONS, metadata_errors="replace")
    except FFmpegError as error:
        raise NirganError(
            f"{path}: not a readable video ({error.strerror}); expected MP4, MOV, "
            "MKV, WebM or AVI, neither damaged nor cut off"
        ) from error
    except OSError as error:
        raise NirganError(f"{path}: cannot be read ({error.strerror})") from error
    with container:
        yield VideoReader(path, container, max_megapixels, band)


class VideoReader:
    """Reads an opened video once, from begin to end, see `open_video`.

    `band` is the channel that is near-infrared, from 1 on; None: all hold it.
    """

    def __init__(
        self, path: Path, container: InputContainer, max_megapixels: float, band: int | None
    ) -> None:
        self.path, self.container, self.band = path, container, band
        self.stream = self._video_stream(max_megapixels)
        self.copied = [*container.streams.audio, *container.streams.subtitles]
        self._frames = 0
        self._seconds = 0.0
        self._matrix: Matrix | None = None  # the same for all frames
        self._former: tuple[Frame, tuple[Any, ...]] | None = None

    def _video_stream(self, max_megapixels: float) -> VideoStream:
        """The video stream, ready to be decoded."""
        path, streams = self.path, self.container.streams
        videos = [s for s in streams.video if not s.disposition & Disposition.attached_pic]
        if not videos:
            kinds = {"a cover" if s.type == "video" else s.type for s in streams}
            there = " and ".join(sorted(kinds)) or "a header"
            raise NirganError(f"{path}: no video in it, only {there}")
        context = videos[0].codec_context
        if context is None:
            raise NirganError(f"{path}: its video is of a kind that PyAV cannot decode")
        if context.width * context.height > max_megapixels * 1e6:
            raise NirganError(
                f"{path}: frames of {context.width}x{context.height}, more than {max_megapixels:g} "
                "megapixels; --largest allows more"
            )
        videos[0].thread_type = "AUTO"
        return videos[0]

    def read(self) -> "Generator[Frame | Packet[Any], None, None]":
        """All frames, and the packets of all other streams, in the order of the file.

        Raises:
            NirganError: It is damaged or cut off, in color, or its frames change size.
        """
        try:
            for packet in self.container.demux():  # all, as the length in the header counts all
                self._track_time(packet)
                if packet.stream.index == self.stream.index:
                    yield from map(self._frame, self.stream.decode(packet))
                elif packet.dts is not None:  # else it is the empty one at the end
                    yield packet
        except (FFmpegError, OSError) as error:
            raise self._damaged(error.strerror or "damaged") from error
        self._refuse_short()

    def _track_time(self, packet: "Packet[Any]") -> None:
        if packet.is_corrupt:
            raise self._damaged("cut off")
        start = packet.dts if packet.pts is None else packet.pts
        if start is not None:
            end = (start + (packet.duration or 0)) * packet.time_base
            self._seconds = max(self._seconds, float(end))

    def _refuse_short(self) -> None:
        if not self._frames:
            raise NirganError(f"{self.path}: no frame in it; it may be damaged or cut off")
        missing = (self.container.duration or 0) / av.time_base - self._seconds
        if "avi" in self.container.format.name and self.stream.average_rate:  # counts frames
            missing = float(self.stream.frames / self.stream.average_rate) - self._seconds
        if missing > DURATION_TOLERANCE_S:
            raise self._damaged(f"cut off, {missing:.1f} s are missing")

    def _damaged(self, what: str) -> NirganError:
        where = f"{self.path}: frame {self._frames + 1}"
        return NirganError(f"{where}: {what}; nothing was kept, repair the file first")

    def _frame(self, picture: VideoFrame) -> Frame:
        if picture.is_corrupt:
            raise self._damaged("damaged")
        kind = (picture.width, picture.height, picture.format.name)
        former, expected = self._former or (None, kind)
        if kind != expected:
            raise self._damaged(
                f"{kind[0]}x{kind[1]} {kind[2]}, after {expected[0]}x{expected[1]} {expected[2]}"
            )
        band, codes = band_of(picture, f"{self.path}: frame {self._frames + 1}", self.band)
        if former is None:
            self._matrix = display_matrix(picture)
        band, turned = upright(band, self._matrix)
        frame = Frame(band, codes, self._pts(picture, former), picture.duration, turned)
        self._former = frame, kind
        self._frames += 1
        return frame

    def _pts(self, picture: VideoFrame, former: Frame | None) -> int:
        """The time of a frame; made later than the one before if it is missing or wrong."""
        if former is None:
            return picture.pts or 0
        if picture.pts is None:
            return former.pts + max(1, former.duration)
        return max(picture.pts, former.pts + 1)


def sample(frames: Iterable[Frame]) -> Pixels:
    """Sample about `SAMPLED_VALUES` codes, with the distribution of the whole video."""
    counts = np.zeros(2**16, np.int64)
    for frame in frames:
        step = 1 + isqrt(frame.band.size // SAMPLED_PIXELS)
        counts += np.bincount(frame.band[::step, ::step].ravel(), minlength=counts.size)
    kept = np.ceil(counts * min(1.0, SAMPLED_VALUES / counts.sum())).astype(np.int64)
    return np.arange(counts.size, dtype=np.uint16).repeat(kept)
