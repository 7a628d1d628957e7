import csv
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from nirgan.cli.main import main
from nirgan.data.inspection import Finding, report
from nirgan.data.registration import Registration, measure
from nirgan.data.sources.epfl import Epfl
from nirgan.data.sources.synthetic import Synthetic


@pytest.fixture(scope="module")
def scene():
    return Synthetic(count=1, size=(300, 400), categories=["oldbuilding"]).pairs()[0].load()


@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.0, 0.0), (0.5, -1.25)])
def test_a_known_shift_is_measured(scene, shift):
    nir, rgb = scene
    matrix = np.float32([[1, 0, shift[0]], [0, 1, shift[1]]])
    moved = cv2.warpAffine(
        nir, matrix, nir.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    found = measure(moved, rgb)
    assert found.shift == pytest.approx(np.hypot(*shift), abs=0.2)
    assert found.good == (np.hypot(*shift) < 0.75)


def test_a_small_picture_is_measured(scene):
    nir, rgb = (picture[100:164, 150:214] for picture in scene)
    assert measure(np.roll(nir, 2, 1), rgb).shift == pytest.approx(2, abs=0.3)


def test_a_turned_picture_has_a_spread(scene):
    nir, rgb = scene
    turn = cv2.getRotationMatrix2D((200, 150), 1.0, 1.0)
    found = measure(cv2.warpAffine(nir, turn, nir.shape[::-1], borderMode=cv2.BORDER_REFLECT), rgb)
    assert found.spread > 1
    assert not found.good


@pytest.mark.parametrize("size", [(200, 200), (40, 1)])
def test_an_empty_or_narrow_picture_cannot_be_measured(size):
    assert measure(np.full(size, 7, np.uint8), np.full((*size, 3), 9, np.uint8)) is None


def test_the_worst_pairs_stand_below_their_heading_the_unmeasured_after_them():
    pairs = Synthetic(count=3, size=(64, 64), categories=["oldbuilding"]).pairs()
    shifts = Registration(2.0, 0.1), Registration(5.0, 0.1), None
    findings = [Finding(p, registration=r) for p, r in zip(pairs, shifts, strict=True)]
    *_, heading, first, second, empty, unmeasured = report(findings).splitlines()
    assert heading.endswith("the worst:")
    assert first.endswith(f"{pairs[1].name}: shift 5.00 px, spread 0.10 px")
    assert pairs[0].name in second
    assert (empty, unmeasured[:25]) == ("", "1 pairs were not measured")


@pytest.mark.data
def test_it_agrees_with_the_manifest_of_the_real_pairs():
    file = Path(os.environ["NIRGAN_DATA"]) / "epfl/manifest.csv"
    if not file.is_file():
        pytest.skip("these pairs have no manifest")
    with file.open() as lines:
        rows = {(r["category"], r["id"]): r for r in csv.DictReader(lines) if r["shift_px"]}
    pairs = [p for p in Epfl().pairs() if (p.category, p.id) in rows][::6]
    found = [measure(*pair.load()) for pair in pairs]
    known = [rows[pair.category, pair.id] for pair in pairs]
    both = [(f, k) for f, k in zip(found, known, strict=True) if f]
    assert len(both) > 0.9 * len(pairs)
    agree = np.mean([f.good == (k["registered"] == "1") for f, k in both])
    assert agree > 0.9
    assert np.median([abs(f.shift - float(k["shift_px"])) for f, k in both]) < 0.1


def test_the_verb_names_bad_files_and_says_so_by_its_status(pair_folder, tmp_path, capsys):
    source = ["--source", "Folder", "--source.nir", f"{pair_folder}/*_nir.png"]
    source += ["--source.rgb", f"{pair_folder}/*_rgb.png"]
    assert main(["check", *source]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == [
        "category", "pairs", "bad", "measured", "median", "shift", "median", "spread", "registered",
    ]  # fmt: skip
    (pair_folder / "2_nir.png").write_bytes(b"")
    Image.new("RGB", (90, 96)).save(pair_folder / "3_rgb.png")
    Image.new("L", (40, 96)).save(pair_folder / "4_nir.png")
    Image.new("RGB", (40, 96)).save(pair_folder / "4_rgb.png")
    table = tmp_path / "pairs.csv"
    assert main(["check", *source, "--csv", str(table)]) == 1
    out = capsys.readouterr().out
    assert "3 pairs cannot be used" in out
    for reason in (
        "2_nir.png: an empty file, expected PNG, JPEG or TIFF",
        "128x96 pixels, but 3_rgb.png has 90x96",
        "own/4: 40x96",
    ):
        assert reason in out
    with table.open() as lines:
        rows = list(csv.DictReader(lines))
    assert [bool(row["problem"]) for row in rows] == [False, False, True, True, True, False]


def test_the_verbs_mistakes_are_one_line(capsys):
    for arguments, message in (
        ([], "source missing; give a configuration"),
        (["--source", "Epfll"], "no class 'Epfll'; did you mean 'Epfl'"),
        (["--source", "Synthetic", "--source.cout", "3"], "did you mean 'count'"),
        (["--source", "Synthetic", "--patch", "x"], "patch: expected int"),
    ):
        assert main(["check", *arguments]) == 2
        error = capsys.readouterr().err.strip()
        assert error.startswith("nirgan check: ")
        assert message in error
        assert len(error.splitlines()) == 1
