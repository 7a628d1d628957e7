"""Files that are there whole or not at all."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from nirgan.errors import NirganError, printable_path


@contextmanager
def atomic_write(file: Path) -> Iterator[Path]:
    """A path to write to, of the same suffix, that takes the file's place when all went well.

    Raises:
        NirganError: The disk is full, or the folder may not be written; a former file is as it was.
    """
    # Hidden, so that no folder has one picture more; short, as a name may be at its limit.
    part = file.with_name(f".{uuid4().hex[:12]}.part{file.suffix}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(file)
    except OSError as error:
        raise NirganError(
            f"{printable_path(file)}: cannot be written ({error.strerror or error})"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder for results, where there is none.

    Raises:
        NirganError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NirganError(
            f"{printable_path(folder)}: the folder cannot be made ({error.strerror or error}); name another"
        ) from error


def write_json(file: Path, value: Any, indent: int | None = None) -> None:
    """Write a file of JSON, see `write_text`; nan and infinities, which JSON lacks, are null."""
    write_text(file, json.dumps(_finite(value), allow_nan=False, indent=indent) + "\n")


def write_text(file: Path, text: str) -> None:
    """Write a file, as UTF-8, that is there whole or not at all."""
    with atomic_write(file) as part:
        part.write_text(text, encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
