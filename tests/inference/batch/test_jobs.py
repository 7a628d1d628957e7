"""Which files become which: names and folders kept, nothing overwritten, nothing lost."""

from pathlib import Path

import pytest

from nirgan.inference.batch.jobs import plan_jobs


@pytest.fixture
def shots(tmp_path):
    files = "a.png", "deep/b.JPG", "deep/er/c.tif", "deep/notes.txt", "d.MP4"
    for name in (*files, ".hidden.png", "deep/.thumbnails/b.png"):
        file = tmp_path / "shots" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    return tmp_path / "shots"


def targets(made, output):
    return [str(job.target.relative_to(output)) for job in made.jobs]


def test_a_folder_is_taken_with_all_within(shots, tmp_path):
    out = tmp_path / "out"
    made = plan_jobs([str(shots)], out)
    assert targets(made, out) == ["a.png", "d.MP4", "deep/b.JPG", "deep/er/c.tif"]
    assert [job.kind for job in made.jobs] == ["picture", "video", "picture", "picture"]
    assert made.problems == []


def test_files_and_quoted_patterns_at_home(shots, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    out = tmp_path / "out"
    made = plan_jobs(["~/shots/deep/b.JPG", "~/shots/**/*.tif", "~no-such-person/x.png"], out)
    assert [job.source for job in made.jobs] == [shots / "deep/b.JPG", shots / "deep/er/c.tif"]
    assert targets(made, out) == ["b.JPG", "deep/er/c.tif"]
    assert made.problems == ["~no-such-person/x.png: no such file or folder"]


def test_a_file_with_magic_in_its_name_is_that_file(shots, tmp_path):
    (shots / "[x].png").write_bytes(b"")
    made = plan_jobs([str(shots / "[x].png")], tmp_path / "out")
    assert [job.source.name for job in made.jobs] == ["[x].png"]


def test_another_format(shots, tmp_path):
    out = tmp_path / "out"
    made = plan_jobs([str(shots)], out, suffix=".png")
    assert targets(made, out) == ["a.png", "d.MP4", "deep/b.png", "deep/er/c.png"]
    assert made.jobs[2].uncertainty == out / "deep/b.png.uncertainty.tif"


@pytest.mark.parametrize("within", ["", "**/*"])
def test_outputs_are_no_inputs(shots, within):
    given = [str(shots / within)]
    made = plan_jobs(given, shots / "out")
    (shots / "out/deep").mkdir(parents=True)
    for name in ("a.png", "deep/b.JPG"):
        (shots / "out" / name).write_bytes(b"")
    assert [job.source for job in plan_jobs(given, shots / "out").jobs] == [
        job.source for job in made.jobs if job.source.name not in ("a.png", "b.JPG")
    ]


def test_nothing_is_written_over_itself_or_over_another(shots, tmp_path):
    made = plan_jobs([str(shots)], shots, overwrite=True)
    assert made.jobs == []
    assert all("written over itself" in line for line in made.problems)
    assert len(made.problems) == 4
    (tmp_path / "a.png").write_bytes(b"")
    other = plan_jobs([str(shots / "a.png"), str(tmp_path / "a.png")], tmp_path / "out")
    assert len(other.jobs) == 1
    assert "would become" in other.problems[0]


@pytest.mark.parametrize(
    ("inputs", "suffix", "left"),
    [
        (["shots"], ".tif", ["b.JPG"]),
        pytest.param(["shots/a.png", "link/a.tif"], ".tif", [], marks=pytest.mark.posix),
    ],
)
def test_nothing_is_written_over_another_input(shots, tmp_path, monkeypatch, inputs, suffix, left):
    monkeypatch.chdir(tmp_path)
    (shots / "a.tif").write_bytes(b"")
    if "link/a.tif" in inputs:
        (tmp_path / "link").symlink_to(shots)
    made = plan_jobs(inputs, Path("shots"), suffix=suffix, overwrite=True)
    assert [job.source.name for job in made.jobs] == left
    assert any("a.png: would be written over" in line for line in made.problems)


def test_what_is_not_there_is_said(shots, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    made = plan_jobs([str(tmp_path / "no.png"), str(empty), str(shots / "*.gif")], tmp_path / "out")
    assert made.jobs == []
    reasons = ["no such file or folder", "no picture or video there", "no picture or video there"]
    assert [reason in line for reason, line in zip(reasons, made.problems, strict=True)] == [
        True
    ] * 3


def test_links_in_a_circle_end(shots, tmp_path):
    (shots / "deep/back").symlink_to(shots)
    (shots / "loop.png").symlink_to(shots / "loop.png")
    made = plan_jobs([str(shots)], tmp_path / "out")
    assert len(made.jobs) == 5  # the broken link is a bad picture, found when it is read
    (shots / "again").symlink_to(shots / "deep")
    made = plan_jobs([str(shots / "**/*.[Jt]*")], tmp_path / "out")
    assert targets(made, tmp_path / "out") == ["deep/b.JPG", "deep/er/c.tif"]


def test_one_file_in_two_spellings_is_one(shots, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = plan_jobs(["shots/a.png", str(shots / "a.png")], tmp_path / "out")
    assert (len(made.jobs), made.problems) == (1, [])


def test_maps_of_uncertainty_are_no_inputs_and_missing_ones_are_told(shots, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("a.png", "a.png.uncertainty.tif", "d.MP4"):
        (out / name).touch()
    assert [job.source.name for job in plan_jobs([str(out)], tmp_path / "new").jobs] == [
        "a.png",
        "d.MP4",
    ]
    files = [str(shots / name) for name in ("a.png", "d.MP4")]
    assert plan_jobs(files, out, uncertainty=True).problems == []
    (out / "a.png.uncertainty.tif").unlink()
    (problem,) = plan_jobs(files, out, uncertainty=True).problems
    assert problem.endswith("a.png: is there without a map of uncertainty; --overwrite makes both")
    assert plan_jobs(files, out).problems == []
