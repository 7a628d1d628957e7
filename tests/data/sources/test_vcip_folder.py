import os
from glob import glob
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from nirgan.data.protocols import across_scenes
from nirgan.data.sources import folder
from nirgan.data.sources.folder import Folder
from nirgan.data.sources.vcip import Vcip
from nirgan.data.store import PairStore
from nirgan.errors import NirganError
from nirgan.utils import paths


def pair(nir, rgb):
    for path, mode in ((nir, "L"), (rgb, "RGB")):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, (64, 64)).save(path)


def test_the_challenges_layout(tmp_path):
    pair(tmp_path / "NIR/field_0001_nir.png", tmp_path / "RGB-Registered/field_0001_rgb_reg.png")
    pair(
        tmp_path / "Validation/validation_0000_nir.png",
        tmp_path / "Validation/validation_0000_rgb_reg.png",
    )
    assert [p.name for p in Vcip(root=tmp_path).pairs()] == ["field/field_0001"]
    both = Vcip(["training", "validation"], tmp_path).pairs()
    assert [p.category for p in both] == ["field", "validation"]
    for one in both:
        one.load()


def test_a_folder_that_is_not_the_challenge(tmp_path):
    with pytest.raises(NirganError, match="no files NIR/"):
        Vcip(root=tmp_path).pairs()


@pytest.mark.data
def test_the_real_challenge():
    assert len(Vcip(["training", "validation"]).pairs()) == 372 + 18


def test_crops_that_may_overlap_are_never_in_both_sets(tmp_path):
    """Crops of one category may show one place: a category is one scene."""
    for name in ("field_0001", "field_0002", "forest_0001", "forest_0002"):
        pair(tmp_path / f"NIR/{name}_nir.png", tmp_path / f"RGB-Registered/{name}_rgb_reg.png")
    pairs = Vcip(root=tmp_path).pairs()
    training, judged = across_scenes(pairs, [(64, 64)] * 4, fold=0, seed=0)
    assert {pairs[r.pair].category for r in judged} == {"field"}
    assert {pairs[r.pair].category for r in training} == {"forest"}
    name = "Validation/validation_0000"
    pair(tmp_path / f"{name}_nir.png", tmp_path / f"{name}_rgb_reg.png")
    everything = Vcip(["training", "validation"], tmp_path).pairs()
    with pytest.raises(NirganError, match="leaves no training pairs"):
        across_scenes(everything, [(64, 64)] * 5, fold=0, seed=0)
    challenge = Vcip(["training", "validation"], tmp_path, "challenge").pairs()
    training, judged = across_scenes(challenge, [(64, 64)] * 5, fold=0, seed=0)
    assert [challenge[r.pair].category for r in judged] == ["validation"]
    assert len(training) == 4


def test_two_folders(tmp_path):
    for name in ("a", "b"):
        pair(tmp_path / f"n/{name}_nir.png", tmp_path / f"c/{name}.jpg")
    (tmp_path / "n/._a_nir.png").touch()  # as macOS leaves them on other systems' disks
    pairs = Folder(str(tmp_path / "n"), str(tmp_path / "c"), category="mine").pairs()
    assert [p.name for p in pairs] == ["mine/a", "mine/b"]
    pairs[0].load()


def test_a_pattern_may_be_written_in_any_way(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("abc", "q", "xbc"):
        pair(tmp_path / f"shots/{name}_nir.png", tmp_path / f"shots/{name}_rgb.png")
    start = "./shots//../shots/"
    pairs = Folder(f"{start}*_nir.png", f"{start}*_rgb.png").pairs()
    assert [p.id for p in pairs] == ["abc", "q", "xbc"]


def test_a_pattern_with_the_backslashes_of_windows(tmp_path, monkeypatch):
    for name in ("day/a", "day/night/b"):
        pair(tmp_path / f"{name}_nir.png", tmp_path / f"{name}_rgb.png")
    system = SimpleNamespace(sep="\\", path=os.path, walk=os.walk)
    for module in (folder, paths):
        monkeypatch.setattr(module, "os", system)
    monkeypatch.setattr(
        paths,
        "glob",
        lambda *a, **k: [f.replace("/", "\\") for f in glob(*a, **k)],  # noqa: PTH207
    )
    start = f"{tmp_path}/**/".replace("/", "\\")
    pairs = Folder(f"{start}*_nir.png", f"{tmp_path}/**/*_rgb.png").pairs()
    assert [p.id for p in pairs] == ["day/a", "day/night/b"]


def test_two_pictures_of_one_name_are_named(tmp_path):
    for name in ("a.png", "a.jpg"):
        pair(tmp_path / "n" / name, tmp_path / "c/a.png")
    with pytest.raises(NirganError, match=r"a.jpg and .*a.png are both called 'a'"):
        Folder(str(tmp_path / "n"), str(tmp_path / "c")).pairs()


@pytest.mark.parametrize(
    ("nir", "rgb", "ids"),
    [
        ("~/shots/**/*_nir.png", "../me/shots/**/*_rgb.png", ["day 1/a/x", "day 1/y", "x"]),
        ("./shots/**/y_nir*", "shots/*/y_rgb*", ["day 1/.png"]),
        ("~/shots", "~/shots[1]", ["x"]),
        ("shots[1]/*.png", "shots/*_rgb.png", ["x"]),
    ],
)
def test_patterns_of_home_and_of_all_folders_within(tmp_path, monkeypatch, nir, rgb, ids):
    home = tmp_path / "me"
    for name in ("x", "day 1/y", "day 1/a/x"):
        pair(home / f"shots/{name}_nir.png", home / f"shots/{name}_rgb.png")
    pair(home / "shots[1]/x.png", home / "other/x.png")
    if nir == "~/shots":
        (home / "shots/x_rgb.png").unlink()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    pairs = Folder(nir, rgb).pairs()
    assert [p.id for p in pairs] == ids
    assert all(Path(f).is_file() for p in pairs for f in (p.nir, p.rgb))
    assert all(p.nir != p.rgb for p in pairs)


def test_home_in_the_root_of_a_data_set_and_of_the_store(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    name = "field_0001"
    pair(tmp_path / f"v/NIR/{name}_nir.png", tmp_path / f"v/RGB-Registered/{name}_rgb_reg.png")
    (tmp_path / "vcip2020").symlink_to(tmp_path / "v")
    monkeypatch.setenv("NIRGAN_DATA", "~")
    for root in (Path("~/v"), None):
        assert [p.nir.parent.parent.resolve() for p in Vcip(root=root).pairs()] == [tmp_path / "v"]
    assert PairStore(Path("~/s")).folder == tmp_path / "s"
    monkeypatch.setenv("NIRGAN_CACHE", "~/c")
    assert PairStore().folder == tmp_path / "c"


def test_mistakes_are_named(tmp_path):
    for name in ("a", "b"):
        pair(tmp_path / f"n/{name}.png", tmp_path / f"c/{name}.png")
    (tmp_path / "c/b.png").unlink()
    folders = str(tmp_path / "n"), str(tmp_path / "c")
    with pytest.raises(NirganError, match=r"1 pictures have no partner \(.*n/b.png\)"):
        Folder(*folders).pairs()
    with pytest.raises(NirganError, match="source.nir: .* neither a folder nor a pattern"):
        Folder(str(tmp_path / "m"), folders[1]).pairs()
    with pytest.raises(NirganError, match="source.rgb: no pictures in"):
        Folder(folders[0], f"{tmp_path}/*.bmp").pairs()


def test_a_loop_of_links_and_a_folder_are_no_pictures(tmp_path):
    pair(tmp_path / "a_nir.png", tmp_path / "a_rgb.png")
    (tmp_path / "b_nir.png").mkdir()
    (tmp_path / "c_nir.png").symlink_to(tmp_path / "c_nir.png")
    (tmp_path / "d_nir.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / ".e_nir.png").touch()
    pairs = Folder(f"{tmp_path}/*_nir.png", f"{tmp_path}/*_rgb.png").pairs()
    assert [p.id for p in pairs] == ["a"]
    (tmp_path / "self").symlink_to(tmp_path)
    (tmp_path / "day").mkdir()
    (tmp_path / "latest").symlink_to(tmp_path / "day")
    pair(tmp_path / "day/x_nir.png", tmp_path / "day/x_rgb.png")
    pairs = Folder(f"{tmp_path}/**/*_nir.png", f"{tmp_path}/**/*_rgb.png").pairs()
    assert [p.id for p in pairs] == ["a", "day/x"]
