import gc
import resource
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

av = pytest.importorskip("av", reason="videos need PyAV: pip install 'nirgan[video]'")

from clips import clip, decoded, packets_of, ramp, times_of, tone, turn  # noqa: E402

from nirgan.errors import NirganError  # noqa: E402
from nirgan.inference.scaling import Scale  # noqa: E402
from nirgan.inference.video import colorize_video, is_video  # noqa: E402

DTYPE = Scale.parse("dtype")


class Tinted:
    """Colours that tell the band: red is it, green half of it, blue its opposite."""

    title = "nirgan 0, model tinted (1a2b)"

    def __init__(self, fail_at=None, error=None):
        self.bands, self.fail_at, self.error = [], fail_at, error

    def band(self, nir):
        self.bands.extend(nir)
        if self.fail_at is not None and len(self.bands) > self.fail_at:
            raise self.error
        return torch.stack([nir, nir / 2, 1 - nir], 1)


def colorized(source, target=None, colorizer=None, scale=DTYPE, tick=lambda count: None, **more):
    target = target or source.parent / "out" / source.name
    colorize_video(colorizer or Tinted(), source, target, scale, tick, **more)
    return target


def untouched(folder):
    """Nothing of an output is there, and no thread."""
    kept = list((folder / "out").glob("*")) if (folder / "out").exists() else []
    return not kept and not [t for t in threading.enumerate() if t.name.startswith("nirgan-")]


def expected(picture):
    band = picture / 255
    return np.stack([band, band / 2, 1 - band], -1) * 255


KINDS = {
    "mp4": ("libx264", "yuv420p", "aac", Fraction(1, 12800)),
    "mov": ("libx264", "yuv420p", "aac", Fraction(1, 90000)),
    "mkv": ("ffv1", "gray", "aac", Fraction(1, 1000)),
    "webm": ("libvpx-vp9", "yuv420p", "libopus", Fraction(1, 1000)),
    "avi": ("mjpeg", "yuvj420p", "pcm_s16le", Fraction(1, 25)),
}


@pytest.mark.parametrize("suffix", KINDS)
def test_all_is_kept_and_the_colours_are_right(tmp_path, suffix):
    codec, pixels, sound, time_base = KINDS[suffix]
    source = clip(
        *(tmp_path / f"a clip.{suffix}", codec, pixels),
        time_base=time_base,
        sound=sound,
        full=suffix in {"avi", "mkv"},
        options={"crf": "1"} if codec.startswith("lib") else {"qmin": "1", "qmax": "1"},
    )
    done = []
    target = colorized(source, tick=done.append)
    assert done == [4, 4, 4]
    assert times_of(target) == times_of(source)
    assert packets_of(target, "audio") == packets_of(source, "audio")
    for number, frame in enumerate(decoded(target)):
        # The inner of large areas: 4:2:0 smears colours over edges.
        off = np.abs(frame.astype(float) - expected(ramp(number)))
        assert np.median(off) <= 3
        assert off[1:6, 2:9].mean() <= 4
    with av.open(str(target)) as container:
        metadata = {key.lower(): value for key, value in container.metadata.items()}
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        tags = (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc)
        assert metadata["comment"] == (
            "Synthetic colours, made from near-infrared by nirgan 0, model tinted (1a2b)"
        )
        assert stream.codec_context.name.startswith(
            {"avi": "mjpeg", "webm": "vp9"}.get(suffix, "h264")
        )
        assert tags[:2] == ((2, 5) if suffix == "avi" else (1, 1))  # JPEG's own, or BT.709
        if suffix != "avi":
            assert tags[2:] == (1, 1)


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        # Orange, (255, 128, 0), in BT.709 of limited range, and in JPEG's BT.601 of full range.
        ("mkv", (16 + 219 * 0.5713, 128 - 224 * 0.5713 / 1.8556, 128 + 224 * 0.4287 / 1.5748)),
        ("avi", (255 * 0.5937, 128 - 255 * 0.5937 / 1.772, 128 + 255 * 0.4063 / 1.402)),
    ],
)
def test_luma_and_chroma_by_hand(tmp_path, suffix, expected):
    source = clip(
        *(tmp_path / f"clip.{suffix}", "ffv1", "gray"),
        frames=1,
        pictures=lambda _: np.full((32, 48), 255, np.uint8),
        time_base=Fraction(1, 25),
        full=True,
    )
    with av.open(str(colorized(source))) as container:
        planes = next(container.decode(video=0)).planes
        found = [np.frombuffer(plane, np.uint8)[0] for plane in planes]
    assert found == pytest.approx(expected, abs=1.5)


def test_chroma_is_the_mean_of_its_four_pixels(tmp_path):
    source = clip(
        *(tmp_path / "clip.avi", "ffv1", "gray"),
        frames=1,
        pictures=noisy,
        time_base=Fraction(1, 25),
        full=True,
    )
    with av.open(str(colorized(source))) as container:
        plane = next(container.decode(video=0)).planes[2]
        found = np.frombuffer(plane, np.uint8).reshape(16, -1)[:, :24].astype(float)
    red, green, blue = np.moveaxis(expected(noisy(0)), -1, 0)
    chroma = 128 + (red - 0.299 * red - 0.587 * green - 0.114 * blue) / 1.402
    off = found - chroma.reshape(16, 2, 24, 2).mean((1, 3))
    assert np.abs(off).mean() < 1.5


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_frames_of_uneven_length_keep_their_times(tmp_path, suffix):
    times = [40, 80, 85, 300, 310, 700, 701, 1500]
    lengths = dict(zip(times, [*np.diff(times).tolist(), 900], strict=True))
    source = clip(
        *(tmp_path / f"clip.{suffix}", "ffv1" if suffix == "mkv" else "libx264"),
        times=times,
        frames=len(times),
        durations=lengths,
        container={} if suffix == "mkv" else {"video_track_timescale": "1000"},
        options={} if suffix == "mkv" else {"bf": "0"},
    )
    assert times_of(source)[:3] == (times, 900, Fraction(1, 1000))
    target = colorized(source)
    assert times_of(target)[:3] == (times, 900, Fraction(1, 1000))
    with av.open(str(source)) as one, av.open(str(target)) as other:
        assert one.duration == other.duration


def test_two_frames_at_one_time_follow_each_other(tmp_path):
    source = clip(tmp_path / "clip.mkv", "ffv1", frames=4, times=[0, 40, 40, 80])
    assert times_of(colorized(source))[0] == [0, 40, 41, 80]


CORNERS = {  # where the bright corner, top left as stored, is shown
    "a quarter turn clockwise": ((0, 1, -1, 0), (0, -1), (48, 32)),
    "a quarter turn back": ((0, -1, 1, 0), (-1, 0), (48, 32)),
    "upside down": ((-1, 0, 0, -1), (-1, -1), (32, 48)),
    "mirrored": ((-1, 0, 0, 1), (0, -1), (32, 48)),
    "mirrored and turned": ((0, 1, 1, 0), (0, 0), (48, 32)),
}


@pytest.mark.parametrize("case", CORNERS)
def test_frames_come_out_upright(tmp_path, case):
    matrix, corner, size = CORNERS[case]
    source = turn(clip(tmp_path / "clip.mp4"), matrix)
    colorizer = Tinted()
    target = colorized(source, colorizer=colorizer)
    band = colorizer.bands[0]
    assert band.shape == size
    assert band[corner] > 0.8
    assert sum(band[y, x] > 0.8 for y in (0, -1) for x in (0, -1)) == 1
    with av.open(str(target)) as container:
        frame = next(container.decode(video=0))
        assert (frame.height, frame.width) == size
        assert "DISPLAYMATRIX" not in frame.side_data
    assert decoded(target)[0][corner][0] > 200


def test_pixels_that_are_not_square_stay_so(tmp_path):
    source = clip(tmp_path / "clip.mp4", sample_aspect_ratio=Fraction(4, 3))
    with av.open(str(colorized(source))) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    turn(source, (0, 1, -1, 0))
    with av.open(str(colorized(source))) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(3, 4)


@pytest.mark.parametrize(
    ("suffix", "pixels"), [("mkv", "yuv444p"), ("webm", "yuv420p"), ("avi", "yuvj420p")]
)
def test_odd_sizes_stay(tmp_path, suffix, pixels):
    codec = {"mkv": "ffv1", "webm": "libvpx-vp9", "avi": "rawvideo"}[suffix]
    source = clip(
        *(tmp_path / f"clip.{suffix}", codec, "yuv420p" if suffix == "webm" else "gray"),
        frames=3,
        pictures=lambda number: ramp(number, 31, 47),
        time_base=Fraction(1, 25),
    )
    with av.open(str(colorized(source))) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height, frame.format.name) == (47, 31, pixels)


@pytest.mark.parametrize(
    ("pixels", "full", "tolerance"),
    [
        ("gray", True, 1e-6),
        ("gray10le", True, 1 / 1023),
        ("gray12le", True, 1 / 1023),
        ("gray16le", True, 1e-4),
        ("yuv420p", True, 1e-6),
        ("yuv420p", False, 0.5 / 219),
        ("yuv422p10le", False, 1 / 1023),
        ("yuv444p16le", False, 1e-4),
        ("bgr0", True, 1e-6),
        ("gbrp12le", True, 1 / 1023),
    ],
)
def test_every_depth_and_range_comes_to_the_same_band(tmp_path, pixels, full, tolerance):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16).repeat(2, 0).repeat(2, 1)
    source = clip(
        *(tmp_path / "clip.mkv", "ffv1", pixels), frames=1, full=full, pictures=lambda _: levels
    )
    colorizer = Tinted()
    colorized(source, colorizer=colorizer)
    assert np.abs(colorizer.bands[0].numpy() - levels / 255).max() <= tolerance


def test_grey_that_does_not_say_its_range_is_full_and_yuv_is_limited(tmp_path):
    for pixels, low in (("gray", 16 / 255), ("yuv420p", 0.0)):
        flat = av.VideoFrame(48, 32, pixels)
        for number, plane in enumerate(flat.planes):
            plane.update(bytes([128 if number else 16]) * plane.buffer_size)
        source = clip(
            *(tmp_path / f"{pixels}.mkv", "ffv1", pixels),
            frames=1,
            pictures=lambda _, flat=flat: flat,
            color_range=0,
        )
        colorizer = Tinted()
        colorized(source, colorizer=colorizer)
        assert colorizer.bands[0].mean() == pytest.approx(low, abs=1e-6)


def test_a_scale_speaks_of_full_range_and_holds_for_all_frames(tmp_path):
    source = clip(
        *(tmp_path / "clip.mkv", "ffv1"),
        frames=6,
        pictures=lambda number: (
            np.linspace(51, 102.9 + 20.4 * number, 32 * 48).reshape(32, 48).astype(np.uint8)
        ),
    )
    colorizer = Tinted()
    colorized(source, colorizer=colorizer, scale=Scale.parse("51,204"))
    assert colorizer.bands[0].max() == pytest.approx(1 / 3, abs=0.01)
    assert colorizer.bands[5].max() == pytest.approx(1.0, abs=0.01)
    colorizer = Tinted()
    colorized(source, colorizer=colorizer, scale=Scale.parse("percentile:0,100"))
    assert colorizer.bands[0].max() == 1
    # Of 51 to 204, by limits of 51 and 102; frames are steadied, so that 1 is not reached at once.
    within = (colorizer.bands[5] < 0.98).float().mean()
    assert within == pytest.approx(1 / 3, abs=0.02)


def test_subtitles_and_chapters_go_along(tmp_path):
    (tmp_path / "words.srt").write_text("1\n00:00:00,100 --> 00:00:00,300\nA tree\n")
    source = tmp_path / "clip.mkv"
    plain = clip(tmp_path / "plain.mkv", "ffv1", "gray", frames=12)
    with (
        av.open(str(plain)) as pictures,
        av.open(str(tmp_path / "words.srt")) as words,
        av.open(str(source), "w") as out,
    ):
        out.metadata["title"] = "A garden"
        start = {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000)}
        out.set_chapters([{**start, "metadata": {"title": "one"}}])
        for container in (pictures, words):
            copy = out.add_stream_from_template(container.streams[0])
            copy.metadata["language"] = "fin"
        for container, number in ((pictures, 0), (words, 1)):
            for packet in container.demux():
                if packet.dts is not None:
                    packet.stream = out.streams[number]
                    out.mux(packet)
    target = colorized(source)
    assert packets_of(target, "subtitles") == packets_of(source, "subtitles")
    with av.open(str(target)) as container:
        assert container.streams.subtitles[0].language == "fin"
        assert container.chapters()[0]["metadata"] == {"title": "one"}
        assert container.metadata["title"] == "A garden"


def test_sound_that_the_container_does_not_take_is_an_error(tmp_path):
    source = clip(tmp_path / "clip.mkv", "ffv1", "gray", sound="aac")
    with pytest.raises(NirganError, match="clip.webm: the audio .aac. cannot be copied into webm"):
        colorized(source, tmp_path / "out" / "clip.webm")
    assert untouched(tmp_path)


def coloured(_):
    picture = np.full((32, 48, 3), 100, np.uint8)
    picture[..., 0] = 180
    return av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")


def with_caption(number):
    """A grey frame with a yellow line at its foot, as camera traps write."""
    picture = np.repeat(ramp(number)[..., None], 3, 2)
    picture[-2:, :24] = (255, 255, 0)
    return av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")


def test_a_coloured_caption_makes_no_colour_picture(tmp_path):
    colorized(clip(tmp_path / "clip.mp4", pictures=with_caption))


def mixed(path):
    """Frames of two sizes in one stream."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuvj420p"
        other = av.CodecContext.create("mjpeg", "w")
        other.width, other.height, other.pix_fmt = 64, 32, "yuvj420p"
        other.time_base = stream.codec_context.time_base = Fraction(1, 25)
        for number, (context, width) in enumerate([(stream, 48)] * 2 + [(other, 64)]):
            frame = av.VideoFrame.from_ndarray(ramp(number, 32, width), "gray")
            frame = frame.reformat(format="yuvj420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            for packet in context.encode(frame):
                packet.stream = stream
                out.mux(packet)
    return path


def noisy(number):
    return np.random.default_rng(number).integers(0, 255, (32, 48), dtype=np.uint8)


def cut(path, share=0.6, before=b"", **settings):
    """Cut a clip off at a share of its length, or where something begins before that."""
    clip(path, pictures=noisy, frames=60, **settings)
    data = path.read_bytes()
    place = int(len(data) * share)
    path.write_bytes(data[: data.rindex(before, 0, place) if before else place])


def damage(path):
    clip(path, pictures=noisy, frames=30, options={"bf": "0"})
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)


def audio_only(path, cover=False):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=48000, layout="mono")
        if cover:
            picture = out.add_stream("mjpeg")
            picture.width, picture.height, picture.pix_fmt = 48, 32, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic.value
            out.mux(picture.encode(av.VideoFrame(48, 32, "yuvj420p")))
            out.mux(picture.encode(None))
        out.mux(stream.encode(tone(0)))
        out.mux(stream.encode(None))


def still(path):
    from PIL import Image

    Image.fromarray(ramp(0)).save(path, format="PNG")


BAD = {
    "missing": ("clip.mp4", lambda path: None, r"cannot be read \(No such file or directory\)"),
    "a folder": ("clip.mp4", lambda path: path.mkdir(), r"cannot be read \(Is a directory\)"),
    "empty": ("clip.mp4", lambda path: path.write_bytes(b""), "not a readable video"),
    "text": ("clip.avi", lambda path: path.write_text("hello " * 99), "not a readable video"),
    "a picture": ("clip.mkv", still, "not a readable video"),
    "a playlist": (
        "clip.mp4",
        lambda path: path.write_text(
            "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.ts\n#EXT-X-ENDLIST\n"
        ),
        "not a readable video",
    ),
    "sound": ("clip.mp4", audio_only, "no video in it, only audio"),
    "sound and a cover": (
        "clip.mp4",
        lambda path: audio_only(path, cover=True),
        "no video in it, only a cover and audio",
    ),
    "in colour": (
        "clip.mp4",
        lambda path: clip(path, pictures=coloured),
        "frame 1: in colour .*expected one NIR band",
    ),
    "in colour, as RGB": (
        "clip.mkv",
        lambda path: clip(
            path, "ffv1", "bgr0", pictures=lambda n: coloured(n).reformat(format="bgr0")
        ),
        "frame 1: in colour",
    ),
    "two sizes": ("clip.mkv", mixed, "frame 3: 64x32 yuvj420p, after 48x32 yuvj420p"),
    "damaged": ("clip.mp4", damage, r"frame \d+: "),
    "cut MP4": ("clip.mp4", cut, "not a readable video"),
    "cut MP4 for the web": (
        "clip.mp4",
        lambda path: cut(path, container={"movflags": "faststart"}),
        r"frame \d+: cut off",
    ),
    "MP4 that lacks its last bytes": (
        "clip.mp4",
        lambda path: cut(path, 0.995, container={"movflags": "faststart"}),
        r"frame \d+: cut off",
    ),
    "cut MKV": ("clip.mkv", cut, r"frame \d+: cut off, \d\.\d s are missing"),
    "cut AVI": (
        "clip.avi",
        lambda path: cut(
            path, before=b"00dc", codec="ffv1", pixels="gray", time_base=Fraction(1, 25)
        ),
        r"frame \d+: cut off, \d\.\d s are missing",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_one_line_and_leaves_nothing(tmp_path, case):
    name, make, message = BAD[case]
    source = tmp_path / name
    make(source)
    with pytest.raises(NirganError, match=message) as told:
        colorized(source)
    assert str(told.value).startswith(f"{source}: ")
    assert "\n" not in str(told.value)
    assert untouched(tmp_path)


def test_names_are_no_addresses(tmp_path, monkeypatch):
    """FFmpeg takes what stands before a colon for a protocol."""
    monkeypatch.chdir(tmp_path)
    source = clip(tmp_path / "clip.mp4", frames=2).rename("http: ä\n%d.mp4")
    target = colorized(source, Path("pipe:1 %03d.mp4"))
    assert len(decoded(f"file:{target}")) == 2


def test_tags_in_no_known_script_do_no_harm(tmp_path):
    source = clip(tmp_path / "clip.mkv", "ffv1", "gray", frames=2, title="A title")
    source.write_bytes(source.read_bytes().replace(b"A title", b"\xc4\xff title"[:7]))
    assert len(decoded(colorized(source))) == 2


def test_frames_that_are_too_large_are_refused(tmp_path):
    source = clip(tmp_path / "clip.mp4", frames=2)
    with pytest.raises(NirganError, match="frames of 48x32, more than 0.001 megapixels"):
        colorized(source, largest=0.001)


@pytest.mark.parametrize("error", [NirganError("no"), ValueError("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", [0, 20])
def test_a_failure_in_between_leaves_the_former_output(tmp_path, error, at):
    source = clip(tmp_path / "clip.mkv", "ffv1", "gray", frames=60)
    target = tmp_path / "out" / "clip.mkv"
    target.parent.mkdir()
    target.write_text("former")
    with pytest.raises(type(error)):
        colorized(source, colorizer=Tinted(at, error))
    assert [path.read_text() for path in target.parent.iterdir()] == ["former"]
    target.unlink()
    assert untouched(tmp_path)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    source = clip(tmp_path / "clip.mkv", "ffv1", "gray", frames=60, pictures=noisy)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, limits[1]))
    try:
        with pytest.raises(
            NirganError, match="clip.mkv: cannot be written .File too large"
        ) as told:
            colorized(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ".part" not in str(told.value)
    assert untouched(tmp_path)


def test_few_frames_are_in_memory(tmp_path):
    """Decoded beyond what is colorized: what waits, and what the decoder and a batch hold."""
    import nirgan.inference.video_reading as reading

    source = clip(tmp_path / "clip.mkv", "ffv1", "gray", frames=150)
    most, original, colorizer = [], reading.Reader._frame, Tinted()

    def counted(self, picture):
        frame = original(self, picture)
        most.append(self._frames - len(colorizer.bands))
        return frame

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading.Reader, "_frame", counted)
        colorized(source, colorizer=colorizer, batch=2)
    assert len(colorizer.bands) == 150
    assert max(most) <= 2 * 2 + 2 + 2


def test_no_frame_waits_for_the_collector(tmp_path):
    def there():
        return sum(type(thing) is av.VideoFrame for thing in gc.get_objects())

    source = clip(tmp_path / "clip.mkv", "ffv1", "gray", frames=50)
    gc.collect()
    gc.disable()
    try:
        before = there()
        colorized(source)
        assert there() - before < 10  # of 50; the first ones, of each time that it was opened
    finally:
        gc.enable()


def test_without_pyav_one_line_says_what_to_install(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("nirgan.inference.video_")]:
        monkeypatch.delitem(sys.modules, name)
        monkeypatch.delattr(name)
    monkeypatch.setitem(sys.modules, "av", None)
    assert is_video(tmp_path / "A.MP4")
    assert not is_video(tmp_path / "a.png")
    with pytest.raises(NirganError, match=r"pip install 'nirgan\[video\]'"):
        colorized(tmp_path / "clip.mp4")
