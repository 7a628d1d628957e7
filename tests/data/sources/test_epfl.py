import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nirgan.data.sources.epfl import CATEGORIES, Epfl
from nirgan.errors import NirganError


def make(folder, ids, ext=".png", category="urban"):
    (folder / category).mkdir(parents=True, exist_ok=True)
    for id_ in ids:
        Image.new("L", (70, 66), 9).save(folder / category / f"{id_}_nir{ext}")
        Image.new("RGB", (70, 66), (1, 2, 3)).save(folder / category / f"{id_}_rgb{ext}")


def test_any_of_the_extensions_is_read(tmp_path):
    for id_, ext in enumerate((".tiff", ".tif", ".png", ".jpg")):
        make(tmp_path, [id_], ext)
    pairs = Epfl(["urban"], tmp_path).pairs()
    assert [(p.name, p.fold) for p in pairs] == [(f"urban/{n}", None) for n in range(4)]
    for pair in pairs:
        nir, rgb = pair.load()
        assert nir.shape == (66, 70)
        assert np.abs(rgb[0, 0].astype(int) - (1, 2, 3)).max() <= 2  # in this order


def test_the_manifest_tells_scene_fold_and_registration(tmp_path):
    make(tmp_path, ["0000", "0001"])
    (tmp_path / "manifest.csv").write_text(
        "category,id,scene,registered,fold\nurban,0000,17,1,3\nurban,0001,17,0,3\n"
    )
    assert [(p.scene, p.fold) for p in Epfl(["urban"], tmp_path).pairs()] == [("17", 3)] * 2
    assert [p.id for p in Epfl(["urban"], tmp_path, registered_only=True).pairs()] == ["0000"]


def test_the_archives_own_folder_is_found(tmp_path):
    make(tmp_path / "nirscene1", ["0000"])
    assert len(Epfl(["urban"], tmp_path).pairs()) == 1


@pytest.mark.parametrize(
    ("break_", "message"),
    [
        (
            lambda f: (f / "urban/0001_rgb.png").unlink(),
            r"0001_nir.png: the other half .* missing \(1",
        ),
        (
            lambda f: [p.unlink() for p in (f / "urban").iterdir()],
            "no <id>_nir and <id>_rgb pictures",
        ),
        (
            lambda f: (f / "manifest.csv").write_text("category;id\nurban;0000\n"),
            r"manifest.csv: not as expected \(no column 'category'\); save it as UTF-8 with commas",
        ),
        (
            lambda f: (f / "manifest.csv").write_text("category,id,fold\nurban,0000,one\n"),
            r"manifest.csv: not as expected \(.*'one'\); .* fold \(0 to 4\)",
        ),
        (
            lambda f: (f / "manifest.csv").write_text("category,id,fold\nurban,0000,5\n"),
            r"manifest.csv: not as expected \(fold 5\); .* fold \(0 to 4\)",
        ),
        (
            lambda f: (f / "manifest.csv").write_bytes(b"category,id\nurban,\xe9\n"),
            "manifest.csv: not as expected .* save it as UTF-8",
        ),
    ],
)
def test_a_broken_folder_is_named(tmp_path, break_, message):
    make(tmp_path, ["0000", "0001"])
    break_(tmp_path)
    with pytest.raises(NirganError, match=message):
        Epfl(["urban"], tmp_path).pairs()


def test_missing_things_say_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(NirganError, match="did you mean 'oldbuilding'"):
        Epfl(["old-building"])
    make(tmp_path, ["0000"])
    with pytest.raises(NirganError, match="water: no such category folder; .*nirgan download"):
        Epfl(["water"], tmp_path).pairs()
    monkeypatch.setenv("NIRGAN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(NirganError, match="nowhere/epfl: .*; set NIRGAN_DATA .*nirgan download"):
        Epfl(["urban"]).pairs()
    with pytest.raises(NirganError, match="registered_only needs it"):
        Epfl(["urban"], tmp_path, registered_only=True).pairs()


@pytest.mark.data
def test_the_real_pairs_are_all_there_and_readable():
    pairs = Epfl().pairs()
    counts = {c: sum(p.category == c for p in pairs) for c in CATEGORIES}
    assert all(0 < counts[c] <= CATEGORIES[c] for c in CATEGORIES)
    if (Path(os.environ["NIRGAN_DATA"]) / "epfl/manifest.csv").is_file():
        scenes = {}
        for pair in pairs:
            scenes.setdefault((pair.category, pair.scene), set()).add(pair.fold)
        assert all(len(folds) == 1 for folds in scenes.values())
    for pair in pairs[::10]:
        nir, rgb = pair.load()
        assert nir.dtype == rgb.dtype == np.uint8
        assert nir.shape == rgb.shape[:2]
