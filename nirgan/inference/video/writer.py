"""Writes color frames to a video with the sound, subtitles and times of the source."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream
from torch import Tensor

from nirgan.errors import NirganError
from nirgan.inference.conversions import to_levels
from nirgan.inference.video.reader import Frame, VideoReader


@dataclass(frozen=True)
class VideoEncoding:
    """How colors are encoded, at a quality without visible losses, in FFmpeg's terms.

    Attributes:
        pixels: The pixel formats for even and for odd sizes.
        matrix: From RGB to luma and chroma.
        levels: Of luma and chroma.
    """

    encoder: str
    options: dict[str, str]
    pixels: tuple[str, str]
    matrix: Colorspace = Colorspace.ITU709
    levels: ColorRange = ColorRange.MPEG


# With 4:2:0 colors, which common players need, H.264 has only even sizes. Odd ones get 4:4:4, since
# they come from instruments, where the size matters more than the player. Without B-frames, as MP4
# stores durations in the order of decoding.
H264_OPTIONS = {"crf": "17", "preset": "veryfast", "bf": "0"}
H264 = VideoEncoding("libx264", H264_OPTIONS, ("yuv420p", "yuv444p"))
VP9_OPTIONS = {"crf": "20", "deadline": "good", "cpu-used": "4", "row-mt": "1"}
VP9 = VideoEncoding("libvpx-vp9", VP9_OPTIONS, ("yuv420p", "yuv420p"))
# AVI has no time stamps, so frames of H.264 would be shown late; programs that read AVI read Motion
# JPEG too, whose matrix and range are JPEG's.
MJPEG = VideoEncoding(
    "mjpeg",
    {"flags": "+qscale", "global_quality": "118", "qmin": "1"},  # the finest; 2 adds flicker
    ("yuvj420p", "yuvj420p"),
    Colorspace.ITU601,
    ColorRange.JPEG,
)
ENCODING_OF_CONTAINER = {"webm": VP9, "avi": MJPEG}
BT709 = 1
"""FFmpeg's number of the primaries and the transfer function of BT.709."""


class VideoWriter:
    """Encodes frames, and copies sound and subtitles, see `video_writer`.

    Raises:
        NirganError: The container does not take the sound.
    """

    def __init__(
        self, name: Path, container: OutputContainer, source: VideoReader, first: Frame, text: str
    ) -> None:
        self.name, self.container = name, container
        self.container.metadata.update(source.container.metadata)
        self.container.metadata.update(comment=text, description=text)
        self.container.set_chapters(source.container.chapters())
        self.coding = ENCODING_OF_CONTAINER.get(container.format.name, H264)
        self.time_base = cast(Fraction, source.stream.time_base)  # what is read has one
        self.stream = self._encoder(source.stream, first)
        self._copies: dict[int, Stream] = {}
        for stream in source.copied:
            # Subtitles are kept where the container takes them.
            with suppress(NirganError) if stream.type == "subtitle" else nullcontext():
                self._copies[stream.index] = self._copy(stream)
        self._durations: dict[int, int] = {}

    def _encoder(self, pictures: VideoStream, first: Frame) -> VideoStream:
        rate = pictures.average_rate or pictures.guessed_rate or Fraction(25)
        coding = self.coding
        added = self.container.add_stream(coding.encoder, rate=rate, options=coding.options)
        stream = cast(VideoStream, added)
        stream.height, stream.width = first.band.shape
        stream.pix_fmt = coding.pixels[stream.width % 2 or stream.height % 2]
        stream.codec_context.time_base = self.time_base
        shape = pictures.sample_aspect_ratio
        if shape:
            stream.codec_context.sample_aspect_ratio = 1 / shape if first.turned else shape
        stream.color_range, stream.colorspace = coding.levels.value, coding.matrix.value
        stream.color_primaries = stream.color_trc = BT709
        return stream

    def _copy(self, stream: Stream) -> Stream:
        try:
            copy = self.container.add_stream_from_template(stream)
        except ValueError as error:
            codec = stream.codec_context.name if stream.codec_context else "of an unknown kind"
            raise NirganError(
                f"{self.name}: the {stream.type} ({codec}) cannot be copied into "
                f"{self.container.format.name}; convert or remove it first"
            ) from error
        copy.metadata.update(stream.metadata)
        copy.disposition = cast(Any, stream.disposition.value)  # PyAV 17 takes only numbers
        return copy

    def write(self, item: "Packet[Any] | tuple[Frame, Tensor]") -> None:
        """Write a copied packet, or a frame with its colors, 3 x H x W in [0, 1]."""
        if isinstance(item, Packet):
            if item.stream.index in self._copies:
                item.stream = self._copies[item.stream.index]
                self.container.mux(item)
            return
        frame, colors = item
        picture = VideoFrame.from_ndarray(to_levels(colors, 8), "rgb24").reformat(
            format=self.stream.pix_fmt,
            dst_colorspace=self.coding.matrix,
            src_color_range=ColorRange.JPEG,
            dst_color_range=self.coding.levels,
            interpolation=Interpolation.AREA,  # the mean of four pixels; others leave out some
        )
        picture.pts, picture.time_base = frame.pts, self.time_base
        self._durations[frame.pts] = frame.duration
        self._mux(self.stream.encode(picture))

    def _mux(self, packets: "list[Packet[Any]]") -> None:
        for packet in packets:
            packet.duration = self._durations.pop(cast(int, packet.pts), 0) or packet.duration
            self.container.mux(packet)

    def finish(self) -> None:
        """Encode what the encoder still holds."""
        self._mux(self.stream.encode(None))


@contextmanager
def video_writer(
    path: Path, name: Path, source: VideoReader, first: Frame, text: str
) -> Iterator[VideoWriter]:
    """A `VideoWriter` whose file is complete at the end of the block.

    It is written to a path, messages call it by a name, and its metadata hold a text.

    Raises:
        NirganError: The file cannot be written.
    """
    options = {}
    time_base = cast(Fraction, source.stream.time_base)
    if path.suffix.lower() in {".mp4", ".mov"} and time_base.numerator == 1:
        # Otherwise FFmpeg chooses a finer one.
        options = {"video_track_timescale": str(time_base.denominator)}
    try:
        container = av.open(f"file:{path}", "w", options=options)
        try:
            writer = VideoWriter(name, container, source, first, text)
            yield writer
            writer.finish()
        except BaseException:
            with suppress(FFmpegError, OSError):  # the file is removed
                container.close()
            raise
        container.close()
    except FFmpegError as error:
        if isinstance(error, OSError):  # reported by `atomic_write`
            raise
        raise NirganError(f"{name}: cannot be written ({error.strerror})") from error
