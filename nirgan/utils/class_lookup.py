"""Finds classes by their short names in the modules of a package."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from inspect import isclass
from pkgutil import iter_modules
from typing import Any

from nirgan.errors import NirganError

SHORT_NAME_PACKAGES = (
    "nirgan.networks.generators",
    "nirgan.networks.discriminators",
    "nirgan.networks",
    "nirgan.losses",
    "nirgan.tasks",
    "nirgan.data.sources",
)
"""Packages whose classes a configuration may name without their path."""


@cache
def find(name: str, package: str) -> Any | None:
    """The class that a module of a package defines, or None; imports the modules."""
    for info in iter_modules(import_module(package).__path__, f"{package}."):
        found = vars(import_module(info.name)).get(name)
        if getattr(found, "__module__", "").startswith(info.name):
            return found
    return None


def full_path(name: str, kind: Any = object) -> str:
    """The import path of a class that is named without one; any other text stays as it is.

    Of several classes of the name, those count that are derived from `kind`.

    Raises:
        NirganError: There are several of them.

    >>> full_path("Triplet")
    'nirgan.networks.generators.triplet.Triplet'
    >>> full_path("L1Loss")
    'L1Loss'
    """
    found = [find(name, package) for package in SHORT_NAME_PACKAGES if name.isidentifier()]
    classes = [one for one in found if isclass(one)]
    fitting = [one for one in classes if not isclass(kind) or issubclass(one, kind)]
    paths = sorted({f"{one.__module__}.{one.__qualname__}" for one in fitting or classes})
    if len(paths) > 1:
        raise NirganError(f"{name} may be {' or '.join(paths)}; name the one that is meant by path")
    return paths[0] if paths else name


def lazy_classes(package: str) -> Callable[[str], Any]:
    """A `__getattr__` for a package: its modules are imported when a class is first asked for."""

    def __getattr__(name: str) -> Any:  # noqa: N807
        # Names of modules are lower case.
        if name[:1].isupper() and (found := find(name, package)) is not None:
            return found
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return __getattr__
