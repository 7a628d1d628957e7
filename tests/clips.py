"""Small videos, made with PyAV."""

import struct
from fractions import Fraction

import av
import numpy as np

RATE = 25


def ramp(number, height=32, width=48):
    """A frame of grey levels 30 to 200 that moves, with a bright corner, top left."""
    columns = (np.arange(width) * 2 + number * 3) % 170 + 30
    picture = np.repeat(columns[None].astype(np.uint8), height, 0)
    picture[: height // 4, : width // 4] = 220
    return picture


def clip(
    path,
    codec="libx264",
    pixels="yuv420p",
    frames=12,
    pictures=ramp,
    times=None,
    time_base=Fraction(1, 1000),
    sound=None,
    full=False,
    durations=None,
    options=None,
    container=None,
    title=None,
    **settings,
):
    """Write a video.

    `pictures(number)` gives H x W grey levels, or a frame. `times` in units of `time_base`.
    """
    with av.open(str(path), "w", options=container or {}) as out:
        if title:
            out.metadata["title"] = title
        first = as_frame(pictures(0), pixels, full)
        stream = out.add_stream(codec, rate=RATE, options=options or {})
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, pixels
        stream.codec_context.time_base = time_base
        stream.codec_context.color_range = 2 if full else 1
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        audio = out.add_stream(sound, rate=48000, layout="mono") if sound else None
        for number in range(frames + 1):
            frame = wave = None  # at the end, what the encoders still hold
            if number < frames:
                frame, wave = as_frame(pictures(number), pixels, full), tone(number)
                frame.pts = times[number] if times else round(Fraction(number, RATE) / time_base)
                frame.time_base = time_base
            for packet in stream.encode(frame):
                if durations:
                    packet.duration = durations[packet.pts]
                out.mux(packet)
            if audio:
                out.mux(audio.encode(wave))
    return path


def as_frame(picture, pixels, full):
    """Grey levels 0 to 255 as a frame, as exact as its depth allows; or a frame as it is."""
    if isinstance(picture, av.VideoFrame):
        return picture
    frame = av.VideoFrame(picture.shape[1], picture.shape[0], pixels)
    bits = frame.format.components[0].bits
    black, white = (0, 2**bits - 1) if full else (16 << bits - 8, 235 << bits - 8)
    for number, plane in enumerate(frame.planes):
        kind = np.uint8 if bits == 8 else np.dtype("<u2")
        rows = np.zeros((plane.height, plane.line_size // np.dtype(kind).itemsize), kind)
        if number and not pixels.startswith("gbr"):
            rows[:] = 1 << bits - 1  # no color
        else:
            levels = np.round(black + picture / 255 * (white - black))
            packed = frame.format.padded_bits_per_pixel // 8 if pixels == "bgr0" else 1
            rows[:, : plane.width * packed] = levels.repeat(packed, 1)
        plane.update(rows.tobytes())
    return frame


def tone(number):
    """The sound of one frame."""
    count = 48000 // RATE
    wave = 20000 * np.sin(np.arange(number * count, (number + 1) * count) / 20)
    frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], "s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48000, number * count, Fraction(1, 48000)
    return frame


def turn(path, matrix):
    """Give an MP4 a display matrix (a, b, c, d), as a telephone does that was held upright."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (int(value * 65536) for value in matrix)
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def decoded(path):
    """All frames, as H x W x 3."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def times_of(path):
    """When each frame is shown, for how long the last, and the stream's time base and rate."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [(frame.pts, frame.duration) for frame in container.decode(stream)]
        return [pts for pts, _ in frames], frames[-1][1], stream.time_base, stream.average_rate


def packets_of(path, kind):
    """Times and bytes of the packets of the first stream of a kind."""
    with av.open(str(path)) as container:
        packets = container.demux(**{kind: 0})
        return [(p.pts, p.dts, bytes(p)) for p in packets if p.dts is not None]
