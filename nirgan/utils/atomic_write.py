"""Writes files atomically: whole or not at all."""

import errno
import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from nirgan.errors import NirganError

TEMPORARY = re.compile(r"\.[0-9a-f]{12}\.part(\.\w+)?")
"""Names of the files that `atomic_write` yields."""


@contextmanager
def atomic_write(file: Path, *, sync: bool = False, size: int | None = None) -> Iterator[Path]:
    """Yield a temporary path, which replaces the file if the block succeeds.

    Args:
        file: Where the file is to be; missing folders are made.
        sync: Whether to flush the file to the disk, so that it survives a power cut.
        size: Bytes to write, if known; the error for a full disk then says how many are missing.

    Raises:
        NirganError: The disk is full, or the folder may not be written; a former file is as it was.
    """
    # Hidden, so that it does not count as a picture; short, since file names have a limit.
    part = file.with_name(f".{uuid4().hex[:12]}.part{file.suffix}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield part
        if sync:
            _sync(part, os.O_RDWR)
        part.replace(file)
        if sync and os.name == "posix":  # no folder is opened on Windows
            _sync(file.parent, os.O_RDONLY)
    except OSError as error:
        why = str(error.strerror or error)
        if error.errno == errno.ENOSPC and size is not None:
            part.unlink(missing_ok=True)
            missing = max(0, size - shutil.disk_usage(file.parent).free) / 1e6
            why = f"no space left: it has {size / 1e6:.1f} MB, and {missing:.1f} MB more are needed"
        kept = "; the former one is whole" if os.path.isfile(file) else ""  # noqa: PTH113 (never raises)
        raise NirganError(f"{file}: cannot be written ({why}){kept}") from error
    finally:
        with suppress(OSError):
            part.unlink()


def _sync(path: Path, how: int) -> None:
    handle = os.open(path, how)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path, remedy: str = "name another") -> None:
    """Make a folder, where there is none.

    Raises:
        NirganError: It cannot be made; the message ends with the remedy.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NirganError(
            f"{folder}: the folder cannot be made ({error.strerror or error}); {remedy}"
        ) from error


def write_json(file: Path, value: Any, indent: int | None = None) -> None:
    """Write a file of JSON, see `write_text`; nan and infinities, which JSON lacks, are null."""
    write_text(file, json.dumps(_finite(value), allow_nan=False, indent=indent) + "\n")


def write_text(file: Path, text: str) -> None:
    """Write a text file atomically: UTF-8, and the same bytes on every system."""
    with atomic_write(file) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
