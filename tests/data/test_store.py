import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nirgan.data.sources.base import FilePair
from nirgan.data.sources.folder import Folder
from nirgan.data.store import PairStore, stack
from nirgan.errors import NirganError


def pairs_in(folder):
    return [
        FilePair(
            "own", nir.name[0], nir.name[0], None, nir, nir.with_name(f"{nir.name[0]}_rgb.png")
        )
        for nir in sorted(folder.glob("*_nir.png"))
    ]


@pytest.fixture
def store(tmp_path_factory):
    return PairStore(tmp_path_factory.mktemp("pairs"))


def test_a_stored_pair_is_the_files_pixels(pair_folder, store):
    pairs = pairs_in(pair_folder)
    store.build(pairs)
    for pair in pairs:
        pixels = store.open(pair)
        assert isinstance(pixels, np.memmap)
        assert np.array_equal(pixels[..., :3], np.asarray(Image.open(pair.rgb)))
        assert np.array_equal(pixels[..., 3], np.asarray(Image.open(pair.nir)))
        assert store.problem(pair, 64, 64) is None


def test_only_what_is_missing_is_decoded(pair_folder, store, monkeypatch):
    pairs = pairs_in(pair_folder)
    store.build(pairs[:4])
    decoded = []
    monkeypatch.setattr(
        FilePair, "load", lambda self, load=FilePair.load: (decoded.append(self.id), load(self))[1]
    )
    store.build(pairs)
    assert decoded == ["4", "5"]


def test_a_changed_picture_is_decoded_anew(pair_folder, store):
    pair = pairs_in(pair_folder)[0]
    store.build([pair])
    Image.new("L", (128, 96), 7).save(pair.nir)
    store.build([pair])
    assert (store.open(pair)[..., 3] == 7).all()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:100],
        lambda data: b"",
        lambda data: bytes(len(data)),
        lambda data: data + b"0",
    ],
)
def test_a_stored_file_that_is_not_whole_is_named_and_made_anew(damage, pair_folder, store):
    pair, other = pairs_in(pair_folder)[:2]
    store.build([pair, other])
    file = store.file(pair)
    whole, kept = file.read_bytes(), store.file(other).stat()
    file.write_bytes(damage(whole))
    assert store.problem(pair, 64, 64).startswith("own/0: not whole in the store at ")
    with pytest.raises(
        NirganError, match=f"{file}: the stored pair own/0 has gone or is cut short"
    ):
        store.open(pair)
    store.build([pair, other])
    assert file.read_bytes() == whole
    assert store.file(other).stat() == kept


def test_mixed_depths_are_widened_without_loss():
    nir = np.array([[0, 65535]], np.uint16)
    rgb = np.array([[[0, 128, 255], [1, 2, 3]]], np.uint8)
    pixels = stack(nir, rgb)
    assert pixels.dtype == np.uint16
    assert pixels.tolist() == [[[0, 128 * 257, 65535, 0], [257, 514, 771, 65535]]]
    as_float = stack(np.ones((1, 2), np.float32), rgb)
    assert as_float.dtype == np.float32
    assert as_float[0, 0, 2] == 1.0


def test_a_bad_pair_is_left_out_and_its_problem_named(pair_folder, store):
    pairs = pairs_in(pair_folder)
    pairs[1].rgb.write_bytes(b"")
    pairs[2].nir.unlink()
    Image.new("L", (40, 40)).save(pairs[3].nir)
    Image.new("RGB", (40, 40)).save(pairs[3].rgb)
    store.build(pairs)
    assert "1_rgb.png" in store.problem(pairs[1], 64, 64)
    assert "2_nir.png: cannot be read" in store.problem(pairs[2], 64, 64)
    assert "own/3: 40x40 pixels, but 64x64 are needed" in store.problem(pairs[3], 64, 64)
    assert store.problem(pairs[0], 64, 64) is None


@pytest.mark.posix
def test_a_build_killed_anywhere_leaves_nothing_half_made(pair_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    script = textwrap.dedent("""
        import sys, pathlib
        sys.path.insert(0, sys.argv[3])
        from test_store import pairs_in
        from nirgan.data.store import PairStore
        import numpy as np
        save = np.save
        def slow(file, array):
            file.write_bytes(b"half"); print("writing", flush=True)
            import time; time.sleep(60)
        np.save = slow
        PairStore(pathlib.Path(sys.argv[2])).build(pairs_in(pathlib.Path(sys.argv[1])))
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(pair_folder), str(folder), str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().strip() == "writing"
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = list(folder.iterdir())
    assert [file.suffixes for file in left] == [[".part", ".npy"]]

    store = PairStore(folder)
    old = time.time() - 7200
    os.utime(left[0], (old, old))
    store.build(pairs_in(pair_folder))
    assert {file.suffix for file in folder.iterdir()} == {".npy"}
    assert len(list(folder.iterdir())) == 6


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_takes_nothing_is_one_clear_error(reason, pair_folder, store, monkeypatch):
    def refused(*_):
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(np, "save", refused)
    why = "no space left: it has 0.0 MB, and" if reason == errno.ENOSPC else "Permission denied"
    with pytest.raises(NirganError, match=rf"npy: cannot be written \({why}.*; make room, or set"):
        store.build(pairs_in(pair_folder))
    assert list(store.folder.iterdir()) == []


def test_a_file_is_read_once_for_its_content_while_it_does_not_change(pair_folder, monkeypatch):
    pair = Folder(f"{pair_folder}/*_nir.png", f"{pair_folder}/*_rgb.png").pairs()[0]
    first = pair.content()
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("read again"))
    assert pair.content() == first
