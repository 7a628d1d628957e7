"""Paths as people write them: home folders, and the configurations that come with the package."""

import os
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
SHIPPED = (PACKAGE, PACKAGE.parent)
"""Where `conf/` and `sweeps/` are: in a wheel, in a clone."""


def expand_home(path: str | Path) -> Path:
    """A path of which a leading `~` or `~NAME` is a home folder, if there is such a one."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (pathlib's raises where there is none)


def resolve_shipped(argument: str) -> str:
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
