import gc
from fractions import Fraction

import numpy as np
import pytest

av = pytest.importorskip("av", reason="videos need PyAV: pip install 'nirgan[video]'")

from clips import clip, decoded, packets_of, ramp, times_of, turn  # noqa: E402
from videos import Tinted, colorized, expected, noisy, untouched  # noqa: E402

from nirgan.data.scaling import Scale  # noqa: E402
from nirgan.errors import NirganError  # noqa: E402
from nirgan.inference.video.colorize import colorize_video  # noqa: E402

KINDS = {
    "mp4": ("libx264", "yuv420p", "aac", Fraction(1, 12800)),
    "mov": ("libx264", "yuv420p", "aac", Fraction(1, 90000)),
    "mkv": ("ffv1", "gray", "aac", Fraction(1, 1000)),
    "webm": ("libvpx-vp9", "yuv420p", "libopus", Fraction(1, 1000)),
    "avi": ("mjpeg", "yuvj420p", "pcm_s16le", Fraction(1, 25)),
}


@pytest.mark.parametrize("suffix", KINDS)
def test_all_is_kept_and_the_colors_are_right(tmp_path, suffix):
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
        # The inner of large areas: 4:2:0 smears colors over edges.
        off = np.abs(frame.astype(float) - expected(ramp(number)))
        assert np.median(off) <= 3
        assert off[1:6, 2:9].mean() <= 4
    with av.open(str(target)) as container:
        metadata = {key.lower(): value for key, value in container.metadata.items()}
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        tags = (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc)
        assert metadata["comment"] == (
            "Synthetic colors, made from near-infrared by nirgan 0, model tinted (1a2b)"
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
        ("gray16le", True, 1e-4),
        ("yuv420p", True, 1e-6),
        ("yuv420p", False, 0.5 / 219),
        ("yuv422p10le", False, 1 / 1023),
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
    assert colorizer.bands[0].max() == pytest.approx(1 / 3, abs=0.01)  # of 51 to 204
    assert colorizer.bands[5].max() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("pixels", ["gray", "gray10le"])
def test_percentiles_are_those_of_all_frames(tmp_path, pixels):
    """A film that fades in from black, and out; its first and last frames say nothing of it."""
    bright = [0, 0, 0.1, 0.5, 1, 1, 1, 1, 0.5, 0.02, 0]
    ramp = np.linspace(0, 200, 64 * 80).reshape(64, 80)
    levels = [np.round(ramp * share).astype(np.uint8) for share in bright]
    source = clip(
        *(tmp_path / "fade.mkv", "ffv1", pixels),
        frames=len(bright),
        pictures=lambda number: levels[number],
        full=True,
    )
    colorizer = Tinted()
    colorized(source, colorizer=colorizer, scale=Scale.parse("percentile:1,99"))
    low, high = np.percentile(np.stack(levels), (1, 99))
    for number in (0, 4, 7):
        expected = np.clip((levels[number] - low) / (high - low), 0, 1)
        assert np.abs(colorizer.bands[number].numpy() - expected).max() <= 0.02
    black = clip(tmp_path / "b.mkv", "ffv1", pixels, pictures=lambda _: levels[0], full=True)
    with pytest.raises(NirganError, match="b.mkv: percentiles 1 and 99 are both 0; use --scale"):
        colorized(black, scale=Scale.parse("percentile:1,99"))


def test_subtitles_and_chapters_go_along_and_a_longer_video_beside_does_not(tmp_path):
    (tmp_path / "words.srt").write_text("1\n00:00:00,100 --> 00:00:00,300\nA tree\n")
    source = tmp_path / "clip.mkv"
    plain = clip(tmp_path / "plain.mkv", "ffv1", "gray", frames=12)
    longer = clip(tmp_path / "longer.mkv", "ffv1", "gray", frames=40)
    with (
        av.open(str(plain)) as pictures,
        av.open(str(tmp_path / "words.srt")) as words,
        av.open(str(longer)) as beside,
        av.open(str(source), "w") as out,
    ):
        out.metadata["title"] = "A garden"
        start = {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000)}
        out.set_chapters([{**start, "metadata": {"title": "one"}}])
        for container in (pictures, words, beside):
            copy = out.add_stream_from_template(container.streams[0])
            copy.metadata["language"] = "fin"
        for number, container in enumerate((pictures, words, beside)):
            for packet in container.demux():
                if packet.dts is not None:
                    packet.stream = out.streams[number]
                    out.mux(packet)
    target = colorized(source)
    assert packets_of(target, "subtitles") == packets_of(source, "subtitles")
    assert len(decoded(target)) == 12
    with av.open(str(target)) as container:
        assert container.streams.subtitles[0].language == "fin"
        assert len(container.streams) == 2
        assert container.chapters()[0]["metadata"] == {"title": "one"}
        assert container.metadata["title"] == "A garden"


def test_sound_that_the_container_does_not_take_is_an_error(tmp_path):
    source = clip(tmp_path / "clip.mkv", "ffv1", "gray", sound="aac")
    with pytest.raises(NirganError, match="clip.webm: the audio .aac. cannot be copied into webm"):
        colorized(source, tmp_path / "out" / "clip.webm")
    assert untouched(tmp_path)


def test_a_track_of_an_unknown_kind_is_named(tmp_path):
    source = clip(tmp_path / "clip.mkv", "ffv1", "gray", sound="aac")
    source.write_bytes(source.read_bytes().replace(b"A_AAC", b"A_XYZ"))
    with pytest.raises(NirganError, match="the audio .of an unknown kind. cannot be copied into"):
        colorized(source)
    assert untouched(tmp_path)


def test_an_avi_with_frames_left_out_is_not_cut_off(tmp_path):
    times = [0, 1, 2, 10, 11, 40]
    settings = {"frames": 6, "times": times, "time_base": Fraction(1, 25)}
    source = clip(tmp_path / "clip.avi", "ffv1", "gray", **settings)
    assert times_of(colorized(source))[0] == times


def test_few_frames_are_in_memory(tmp_path):
    """Decoded beyond what is colorized: what waits, and what the decoder and a batch hold."""
    import nirgan.inference.video.reader as reading

    source = clip(tmp_path / "clip.mkv", "ffv1", "gray", frames=150)
    most, original, colorizer = [], reading.VideoReader._frame, Tinted()

    def counted(self, picture):
        frame = original(self, picture)
        most.append(self._frames - len(colorizer.bands))
        return frame

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading.VideoReader, "_frame", counted)
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


@pytest.mark.parametrize(("most", "told"), [(4000, "use --scale 0,4095"), (65000, "")])
def test_a_hint_names_the_scale_of_dark_videos(tmp_path, most, told):
    def dark(number):
        grey = np.linspace(0, most, 32 * 48, dtype=np.uint16).reshape(32, 48)
        return av.VideoFrame.from_ndarray(grey, "gray16le")

    source = clip(tmp_path / "a.mkv", "ffv1", "gray16le", pictures=dark, full=True)
    hint = colorize_video(Tinted(), source, tmp_path / "out.mkv", Scale(), lambda count: None)
    assert hint.endswith(told)
    assert bool(hint) == bool(told)


@pytest.mark.parametrize(("step", "told"), [(20, ""), (1, "no value above 1")])
def test_a_hint_is_of_the_brightest_frame(tmp_path, step, told):
    """Black is 16 in a video of limited range, such as most that fade in."""
    source = clip(tmp_path / "a.mp4", pictures=lambda n: np.full((32, 48), step * n))
    hint = colorize_video(Tinted(), source, tmp_path / "out.mp4", Scale(), lambda count: None)
    assert hint.startswith(told)
    assert bool(hint) == bool(told)
