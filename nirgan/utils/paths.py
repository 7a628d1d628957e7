"""Resolves home folders and the configurations that come with the package."""

import os
import re
from glob import escape, glob
from pathlib import Path

PACKAGE_FOLDER = Path(__file__).parent.parent
SHIPPED = (PACKAGE_FOLDER, PACKAGE_FOLDER.parent)
"""Parents of `conf/` and `sweeps/`: in a wheel, and in a clone."""

FORMER_FILES = {"conf/model/mean_colour.yaml": "conf/model/mean_color.yaml"}
"""Files that had other names in former versions."""


def expand_home(path: str | Path) -> Path:
    """Replace a leading `~` or `~NAME` by the home folder, if there is one."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (pathlib's raises where there is none)


def glob_unlinked(pattern: str) -> list[str]:
    """What matches a pattern, sorted; `**` does not follow links to folders, which may form loops.

    Separators are `/`.
    """
    pattern = pattern.replace(os.sep, "/")
    stars = re.search(r"(?:^|(?<=/))\*\*(?:/|$)", pattern)
    if stars is None:
        return sorted(f.replace(os.sep, "/") for f in glob(pattern))  # noqa: PTH207
    head, rest = pattern[: stars.start()], pattern[stars.end() :] or "*"
    found: set[str] = set()
    for top in glob_unlinked(head) if head else [""]:
        for folder, folders, _ in os.walk(top or "."):
            folders[:] = [name for name in folders if not name.startswith(".")]
            inner = f"{folder.replace(os.sep, '/').rstrip('/')}/"
            found.update(glob_unlinked(escape(inner if top else inner.removeprefix("./")) + rest))
    return sorted(found)


def relative_path(path: str | Path, folder: str | Path = ".") -> str:
    """A path as seen from a folder, with `/`; as it is where it lies on another drive."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return Path(path).as_posix()


def resolve_shipped(argument: str) -> str:
    """Resolve an argument, or the path in `--option=PATH`, that names a file of the package.

    `conf/` and `sweeps/` are in the package, or beside it in a clone. Files of the same name in the
    working folder have precedence.
    """
    option, equals, path = argument.rpartition("=")
    if Path(path).parts[:1] in (("conf",), ("sweeps",)) and not os.path.lexists(path):
        path = FORMER_FILES.get(Path(path).as_posix(), path)
        for root in SHIPPED:
            if (root / path).is_file():
                return f"{option}{equals}{root / path}"
    return argument
