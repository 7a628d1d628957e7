"""Configuration files are UTF-8, whatever the system's own coding is."""

import io
from pathlib import Path
from typing import IO, Any

import jsonargparse

from nirgan.errors import NirganError, named


def read_utf8(file: str | Path) -> str:
    """The text of a configuration.

    Raises:
        NirganError: It is not UTF-8.
        OSError: It cannot be read.
    """
    try:
        return Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise NirganError(f"{named(file)}: not UTF-8 ({error.reason}); save it as UTF-8") from error


def _open(file: str, mode: str = "r") -> IO[Any]:
    """`open`, as jsonargparse calls it for its configurations."""
    if mode == "r":
        return io.StringIO(read_utf8(file))
    return open(file, mode, encoding=None if "b" in mode else "utf-8")  # noqa: PTH123


def use_utf8() -> None:
    """Let jsonargparse read and write every configuration as UTF-8.

    It has no option for that: its two modules that open files are given another `open`.
    """
    for module in (jsonargparse._paths, jsonargparse._core):
        module.open = _open  # type: ignore[attr-defined]
