import errno
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nirgan.data.sources import base
from nirgan.data.sources.base import FilePair
from nirgan.data.store import HEADER_BYTES, PairStore, stack
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
    stored = store.build(pairs)
    for number, pair in enumerate(pairs):
        pixels = stored[number]
        assert not pixels.flags.writeable
        assert np.array_equal(pixels[..., :3], np.asarray(Image.open(pair.rgb)))
        assert np.array_equal(pixels[..., 3], np.asarray(Image.open(pair.nir)))
        assert stored.problem(number, 64, 64) is None
    assert stored.sizes == [(96, 128)] * 6
    assert all(stored.file(n).stat().st_size == HEADER_BYTES + 96 * 128 * 4 for n in range(6))


@pytest.mark.parametrize("when", ["between two builds", "after a build has hashed it"])
def test_a_changed_picture_is_decoded_anew(when, pair_folder, store, monkeypatch):
    pair = pairs_in(pair_folder)[0]
    if when == "between two builds":
        store.build([pair])
    else:
        hashed = store.open([pair])
        monkeypatch.setattr(store, "open", lambda _: hashed)
    Image.new("L", (128, 96), 7).save(pair.nir)
    stored = store.build([pair])
    assert (stored[0][..., 3] == 7).all()
    assert stored.file(0) == store.path(pair.content())


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: bytes(len(data)),
        lambda data: data + b"0",
        lambda data: data.replace(b"'fortran_order': False", b"(" * 22),
        lambda data: data.replace(b": False, ", b": True,  "),  # of columns, not of rows
    ],
)
def test_a_stored_file_that_is_not_whole_is_named_and_made_anew(damage, pair_folder, store):
    pair, other = pairs_in(pair_folder)[:2]
    stored = store.build([pair, other])
    file = stored.file(0)
    whole, kept = file.read_bytes(), stored.file(1).stat().st_ino
    file.write_bytes(damage(whole))
    found = store.open([pair, other])
    assert found.problem(0, 64, 64).startswith("own/0: not whole in the store at ")
    for pairs in (stored, found):
        with pytest.raises(NirganError, match=f"{file}: the stored pair own/0 (has gone|was c)"):
            pairs[0]
    store.build([pair, other])
    assert file.read_bytes() == whole
    assert stored.file(1).stat().st_ino == kept


def test_mixed_depths_are_widened_without_loss():
    nir = np.array([[0, 65535]], np.uint16)
    rgb = np.array([[[0, 128, 255], [1, 2, 3]]], np.uint8)
    pixels = stack(*map(np.asfortranarray, (nir, rgb)))
    assert pixels.flags.c_contiguous  # as it is stored and read
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
    for stored in (store.build(pairs), store.open(pairs)):
        assert "1_rgb.png" in stored.problem(1, 64, 64)
        assert "2_nir.png: cannot be read" in stored.problem(2, 64, 64)
        assert "own/3: 40x40 pixels, but 64x64 are needed" in stored.problem(3, 64, 64)
        assert stored.problem(0, 64, 64) is None


def test_pairs_that_could_not_be_read_at_first_are_not_taken_for_each_other(
    pair_folder, store, monkeypatch
):
    def away(pair):
        raise NirganError("the network is away")

    pairs = pairs_in(pair_folder)[:2]
    with monkeypatch.context() as first:
        first.setattr(FilePair, "content", away)
        store.build(pairs)
    assert not list(store.folder.glob("*.npy"))
    stored = store.build(pairs)
    for number, pair in enumerate(pairs):
        assert np.array_equal(stored[number], stack(*pair.load()))


@pytest.mark.posix
def test_a_build_killed_anywhere_leaves_nothing_half_made(pair_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    script = textwrap.dedent("""
        import sys, pathlib
        sys.path.insert(0, sys.argv[3])
        from test_store import pairs_in
        from nirgan.data.store import PairStore
        import numpy as np
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
    assert process.stdout.readline().startswith("writing")
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = list(folder.iterdir())
    assert {tuple(file.suffixes) for file in left} == {(".part", ".npy")}

    others = [folder / "thesis.part1.tex", folder / "nirscene1.zip.part"]  # of the user
    (folder / ".0123456789ab.part").touch()  # an index
    for file in others:
        file.touch()
    store = PairStore(folder)
    old = time.time() - 7200
    for file in folder.iterdir():
        os.utime(file, (old, old))
    store.build(pairs_in(pair_folder))
    assert sorted(folder.glob("*.part*")) == sorted(others)
    assert len(list(folder.glob("*.npy"))) == 6


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_takes_nothing_is_one_clear_error(reason, pair_folder, store, monkeypatch):
    def refused(*_):
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(np, "save", refused)
    why = "no space left: it has 0.0 MB, and" if reason == errno.ENOSPC else "Permission denied"
    with pytest.raises(NirganError, match=rf"npy: cannot be written \({why}.*; make room, or set"):
        store.build(pairs_in(pair_folder))
    assert list(store.folder.iterdir()) == []


@pytest.fixture
def settled(monkeypatch):
    """Files count as left alone at once."""
    monkeypatch.setattr(base, "SETTLED_AFTER_NS", -1)


@pytest.fixture
def read(monkeypatch):
    """Pairs whose content is computed after this."""
    ids, content = [], FilePair.content
    monkeypatch.setattr(FilePair, "content", lambda self: (ids.append(self.id), content(self))[1])
    return ids


def test_what_nobody_touched_is_not_read_again(pair_folder, store, settled, read):
    pairs = pairs_in(pair_folder)
    contents = [store.build(pairs).content(n) for n in range(6)]
    Image.new("L", (128, 96), 7).save(pairs[2].nir)
    read.clear()
    changed = PairStore(store.folder).build(pairs)
    assert set(read) == {"2"}
    assert [changed.content(n) == contents[n] for n in range(6)] == [n != 2 for n in range(6)]
    assert (changed[2][..., 3] == 7).all()
    read.clear()
    again = PairStore(store.folder).open(pairs[1:4])
    assert read == []
    assert np.array_equal(again.rows, changed.rows[1:4])
    assert all(again.unchanged(n) for n in range(3))
    again.file(0).unlink()
    assert PairStore(store.folder).open(pairs).rows["depth"].tolist() == [0, -1, 0, 0, 0, 0]


def test_what_was_touched_lately_or_is_unknown_is_read(
    pair_folder, store, settled, monkeypatch, read
):
    pairs = pairs_in(pair_folder)
    store.build(pairs)
    index = store.folder / "index"
    for unreadable in (b"another format", index.read_bytes().replace(b"{", b"(")):
        index.write_bytes(unreadable)
        store.open(pairs[:1])
    store.build(pairs)
    monkeypatch.setattr(base, "SETTLED_AFTER_NS", 10**12)
    read.clear()
    stored = store.open(pairs)
    assert read == list("012345")
    assert all(stored.unchanged(n) for n in range(6))
    assert read == 2 * list("012345")


def test_a_store_whose_index_cannot_be_written_is_used(pair_folder, store, settled):
    (store.folder / "index").mkdir()
    assert store.build(pairs_in(pair_folder)).problem(0, 64, 64) is None


def test_few_files_are_open_and_none_are_sent_to_other_processes(pair_folder, store, monkeypatch):
    monkeypatch.setattr("nirgan.data.store._max_open_files", lambda: 2)
    pairs = pairs_in(pair_folder)
    stored = store.build(pairs)
    for number in (0, 1, 2, 5, 0):
        assert np.array_equal(stored[number][..., :3], np.asarray(Image.open(pairs[number].rgb)))
        assert len(stored._opened) <= 2
    sent = pickle.dumps(stored)
    assert len(sent) < 5000
    assert np.array_equal(pickle.loads(sent)[3], stored[3])


def test_builds_at_once_spare_each_others_pairs(pair_folder, store, monkeypatch):
    pairs = pairs_in(pair_folder)
    late = PairStore(store.folder)
    missing = late.open(pairs)
    whole = store.build(pairs).rows
    monkeypatch.setattr(late, "open", lambda _: missing)
    monkeypatch.setattr(FilePair, "load", lambda _: pytest.fail("decoded twice"))
    assert np.array_equal(late.build(pairs).rows, whole)


def test_a_content_that_is_no_hash_names_a_file_too(store):
    class Drawn(base.Pair):
        def load(self):
            return np.full((20, 30), 3, np.uint8), np.full((20, 30, 3), 4, np.uint8)

        def content(self):
            return "../drawn: 1"

    stored = store.build([Drawn("own", "1", "1")])
    assert stored[0].shape == (20, 30, 4)
    assert stored.file(0).parent == store.folder
