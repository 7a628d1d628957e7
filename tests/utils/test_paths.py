"""Paths as Windows has them."""

import ntpath

import pytest

from nirgan.utils.paths import relative_path


@pytest.mark.parametrize(
    ("path", "expected"),
    [(r"C:\work\runs\a", "runs/a"), (r"D:\runs\a", "D:/runs/a")],
)
def test_another_drive_is_no_mistake(path, expected, monkeypatch):
    monkeypatch.setattr("os.path.relpath", ntpath.relpath)
    assert relative_path(path, r"C:\work").replace("\\", "/") == expected
