"""Videos that cannot be used, and places that cannot be written."""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av", reason="videos need PyAV: pip install 'nirgan[video]'")

from clips import clip, decoded, ramp, tone  # noqa: E402
from videos import Tinted, colorized, noisy, untouched  # noqa: E402

from nirgan.errors import NirganError  # noqa: E402


def colored(_):
    picture = np.full((32, 48, 3), 100, np.uint8)
    picture[..., 0] = 180
    return av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")


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


def playlist(path):
    """One that FFmpeg knows by what is in it, and could follow."""
    clip(path.with_name("other.mp4"), frames=2)
    path.write_text("ffconcat version 1.0\nfile other.mp4\n")


BAD = {
    "missing": ("clip.mp4", lambda path: None, r"cannot be read \(No such file or directory\)"),
    "a folder": ("clip.mp4", lambda path: path.mkdir(), r"cannot be read \(Is a directory\)"),
    "empty": ("clip.mp4", lambda path: path.write_bytes(b""), "not a readable video"),
    "a playlist": ("clip.mp4", playlist, "not a readable video"),
    "sound": ("clip.mp4", audio_only, "no video in it, only audio"),
    "sound and a cover": (
        "clip.mp4",
        lambda path: audio_only(path, cover=True),
        "no video in it, only a cover and audio",
    ),
    "in color": (
        "clip.mp4",
        lambda path: clip(path, pictures=colored),
        "frame 1: 3 channels that differ .in color.*expected one NIR band.*--band 1",
    ),
    "two sizes": ("clip.mkv", mixed, "frame 3: 64x32 yuvj420p, after 48x32 yuvj420p"),
    "damaged": ("clip.mp4", damage, r"frame \d+: "),
    "cut MP4": ("clip.mp4", cut, "not a readable video"),
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
def test_what_cannot_be_used_is_named_and_leaves_nothing(tmp_path, case):
    name, make, message = BAD[case]
    source = tmp_path / name
    make(source)
    with pytest.raises(NirganError, match=message) as told:
        colorized(source)
    assert str(told.value).startswith(f"{source}: ")
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
        colorized(source, max_megapixels=0.001)


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
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


@pytest.mark.posix
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    import resource

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


def test_without_pyav_one_line_says_what_to_install(tmp_path, monkeypatch):
    for name in ("frames", "reader", "writer"):
        monkeypatch.delitem(sys.modules, f"nirgan.inference.video.{name}")
        monkeypatch.delattr(f"nirgan.inference.video.{name}")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(NirganError, match=r"pip install 'nirgan\[video\]'"):
        colorized(tmp_path / "clip.mp4")
