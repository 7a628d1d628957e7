"""Files that are there whole or not at all."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from nirgan.errors import NirganError, named

PACKAGE = Path(__file__).parent
SHIPPED = (PACKAGE, PACKAGE.parent)
"""Where `conf/` and `sweeps/` are: in a wheel, in a clone."""


def expanded(path: str | Path) -> Path:
    """A path of which a leading `~` or `~NAME` is a home folder, if there is such a one."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (pathlib's raises where there is none)


def shipped(argument: str) -> str:
    """An argument, or the end of `--option=PATH`, as a path of the package's own if need be.

    `conf/` and `sweeps/` lie in the package, or beside it in a clone; a file of that name in the
    working folder comes first.
    """
    option, equals, path = argument.rpartition("=")
    if Path(path).parts[:1] in (("conf",), ("sweeps",)) and not os.path.lexists(path):
        for root in SHIPPED:
            if (root / path).is_file():
                return f"{option}{equals}{root / path}"
    return argument


@contextmanager
def whole(file: Path) -> Iterator[Path]:
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
            f"{named(file)}: cannot be written ({error.strerror or error})"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()


def write_json(file: Path, value: Any) -> None:
    """Write a file of JSON, see `write_text`."""
    write_text(file, json.dumps(value) + "\n")


def write_text(file: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    with whole(file) as part:
        part.write_text(text)
