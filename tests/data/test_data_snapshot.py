import os
import warnings

import numpy as np
import pytest
from PIL import Image

from nirgan.data.data_snapshot import DataSnapshot
from nirgan.data.sources import base
from nirgan.data.sources.folder import Folder
from nirgan.data.store import PairStore, StoredPairs
from nirgan.errors import NirganError


@pytest.fixture
def opened(pair_folder, tmp_path_factory):
    pairs = Folder(f"{pair_folder}/*_nir.png", f"{pair_folder}/*_rgb.png").pairs()
    store = PairStore(tmp_path_factory.mktemp("opened"))
    return DataSnapshot(store.build(pairs))


@pytest.fixture
def loads(monkeypatch):
    """Pairs that are decoded after this."""
    loaded = []
    kind = StoredPairs
    monkeypatch.setattr(
        kind,
        "matches_decoded",
        lambda self, number, matches=kind.matches_decoded: (
            loaded.append(number),
            matches(self, number),
        )[1],
    )
    return loaded


def said(what, *arguments):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        what(*arguments)
    return [str(w.message) for w in caught]


def test_what_nobody_touched_is_as_it_was_and_not_read_again(opened, loads):
    assert opened.damage() is None
    assert said(opened.warn_changes) == []
    assert loads == []


def dated(file, state):
    """As rsync and cp -p leave a file."""
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


def cut(file):
    state = file.stat()
    os.truncate(file, 5000)
    dated(file, state)


def overwritten(file):
    with file.open("r+b") as stream:
        stream.seek(5000)
        stream.write(b"other")


def replaced(file):
    beside = file.with_name("beside")
    with beside.open("wb") as stream:
        np.save(stream, np.zeros((96, 128, 4), np.uint8))
    dated(beside, file.stat())
    beside.replace(file)


@pytest.mark.posix
@pytest.mark.parametrize("how", [cut, overwritten, replaced, os.unlink])
def test_a_stored_file_that_is_no_longer_the_same_is_named(how, opened):
    how(opened.stored.file(2))
    what = "has gone" if how is os.unlink else "was changed or cut short"
    file = opened.stored.file(2)
    assert opened.damage() == (
        f"{file}: the stored pair own/2 {what} since the run began; start again, which "
        "decodes it anew (fit goes on with --ckpt_path last)"
    )
    with pytest.raises(NirganError, match="own/2"):
        opened.check()


def test_a_stored_file_that_was_written_anew_is_as_good_and_is_compared_once(opened, loads):
    file = opened.stored.file(2)
    beside = file.with_name("beside")
    beside.write_bytes(file.read_bytes())
    beside.replace(file)
    os.utime(opened.stored.file(3), (1, 1))
    assert opened.damage() is None
    assert opened.damage() is None
    assert loads == [2, 3]


def test_a_picture_that_changes_or_goes_is_told_once(opened, pair_folder):
    Image.new("L", (128, 96), 7).save(pair_folder / "1_nir.png")
    (pair_folder / "4_rgb.png").unlink()
    (message,) = said(opened.warn_changes)
    assert message == (
        "pictures are not what they were when the run began: own/1 (changed), own/4 "
        f"({pair_folder}/4_rgb.png: cannot be read (No such file or directory)); it goes on with "
        "the pixels that it has decoded, but one that is resumed will not see the same"
    )
    assert opened.damage() is None
    assert said(opened.warn_changes) == []
    (pair_folder / "5_rgb.png").unlink()
    (message,) = said(opened.warn_changes)
    assert "began: own/5 (" in message
    assert "own/4" not in message


def test_of_many_pairs_some_are_looked_at_in_turn(opened, pair_folder, monkeypatch):
    monkeypatch.setattr("nirgan.data.data_snapshot.PAIRS_PER_CHECK", 4)
    opened.stored.file(5).unlink()
    (pair_folder / "1_nir.png").unlink()
    turns = [(len(said(opened.warn_changes)), bool(opened.damage())) for _ in range(3)]
    assert turns == [(1, False), (0, True), (0, True)]  # 0 to 3, 4 to 1, 2 to 5


def test_a_picture_that_was_only_touched_is_not_told(opened, pair_folder, monkeypatch):
    monkeypatch.setattr(base, "SETTLED_AFTER_NS", -1)  # files count as left alone at once
    stored = opened.stored.store.open(opened.stored.pairs)
    os.utime(pair_folder / "1_nir.png", (1, 1))
    assert said(DataSnapshot(stored).warn_changes) == []


def test_differences_from_a_checkpoint_are_told_five_by_name(opened):
    then = dict(opened.contents)
    assert said(opened.warn_differences, then) == []
    then["own/0"] = "another"
    then["own/7"] = then.pop("own/3")
    (message,) = said(opened.warn_differences, then)
    assert message.startswith(
        "not the same data as when the run began: own/0 has changed, own/3 is new, own/7 is "
        "missing; what is learned"
    )
    (message,) = said(opened.warn_differences, {})
    assert "own/3 is new, own/4 is new and 1 more; what" in message
