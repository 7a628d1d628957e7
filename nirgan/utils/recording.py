"""Records what objects are built with, in the form of configurations and checkpoints.

A configuration says `class_path` and `init_args`. What is built in Python is described in the same
words, so that a checkpoint says what its networks are, whoever has built them.
"""

import inspect
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from torch import nn


class UnknownArgumentsError(Exception):
    """It is not known what an object was built with."""


class Recorded:
    """Remembers the arguments that its constructor is called with.

    Derive a network of your own from it, `class Mine(Recorded, nn.Module)`, and checkpoints of runs
    made in Python say how to build it.
    """

    recorded_arguments: dict[str, Any]
    """Descriptions by name; of one that cannot be described, an `UnknownArgumentsError`."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Record the arguments before the constructor can change them."""
        self = super().__new__(cls)
        try:
            given = inspect.signature(cls.__init__).bind(self, *args, **kwargs)
        except TypeError:  # a copy, whose state comes later; or a mistake, which `__init__` names
            return self
        given.apply_defaults()
        described = self.__dict__["recorded_arguments"] = {}
        for name, value in _flat(given).items():
            try:
                described[name] = describe(value)
            except UnknownArgumentsError as error:
                described[name] = error
        return self


def describe(value: Any) -> Any:
    """An object as `class_path` and `init_args`, with all that it was given; plain values as such.

    Networks that are not `Recorded` are described where each argument is kept as an attribute of
    the same name, or where torch made them.

    Raises:
        UnknownArgumentsError: It does not tell what it was built with.

    >>> describe(nn.L1Loss(reduction="sum"))["init_args"]
    {'size_average': None, 'reduce': None, 'reduction': 'sum'}
    """
    if isinstance(value, UnknownArgumentsError):
        raise value
    if value is None or isinstance(value, bool | int | float | str | Path):
        return str(value) if isinstance(value, Path) else value
    if isinstance(value, list | tuple):
        return [describe(inner) for inner in value]
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: describe(inner) for name, inner in value.items()}
    built, arguments = _construction(value)
    path = f"{built.__module__}.{built.__qualname__}"
    return {"class_path": path} | ({"init_args": describe(arguments)} if arguments else {})


def _construction(value: Any) -> tuple[type, Mapping[str, Any]]:
    """The class of an object, and what it was built with; of an optimizer, what it will be."""
    if isinstance(value, partial):  # jsonargparse's have the class among their arguments
        for part in (value.func, *value.args):
            if inspect.isclass(part):
                return part, value.keywords
    if isinstance(value, Recorded):
        return type(value), value.recorded_arguments
    if isinstance(value, nn.Module):
        return type(value), _attributes(value)
    raise UnknownArgumentsError(f"a {type(value).__name__} cannot be written down")


def _attributes(module: nn.Module) -> dict[str, Any]:
    """The arguments of a module, from attributes of their names."""
    by_torch, found = type(module).__module__.startswith("torch.nn."), {}
    for name, parameter in inspect.signature(type(module)).parameters.items():
        kept = vars(module).get(name, getattr(type(module), name, inspect.Parameter.empty))
        if kept is inspect.Parameter.empty or not _is_plain(kept):
            if not by_torch or parameter.default is inspect.Parameter.empty:
                raise UnknownArgumentsError(
                    f"{type(module).__name__} does not keep its argument {name!r}; derive it from "
                    "nirgan.networks.Recorded, or keep each argument as an attribute of its name"
                )
            kept = parameter.default
        found[name] = kept
    return found


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _flat(given: inspect.BoundArguments) -> dict[str, Any]:
    """Arguments by name, those of `**kwargs` among the others."""
    found: dict[str, Any] = {}
    for name, value in list(given.arguments.items())[1:]:  # without the object itself
        kind = given.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            found |= value
        elif kind is not inspect.Parameter.VAR_POSITIONAL:
            found[name] = value
        elif value:
            found[name] = UnknownArgumentsError(f"*{name} has no name in a configuration")
    return found
