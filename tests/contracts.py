"""Walks a package for the classes that a contract test covers."""

import importlib
import inspect
import pkgutil
from unittest.mock import patch

import pytest
from torch import nn

from nirgan.networks import efficientnet_lite


def networks_in(package, parts=(), fitted=False):
    """Every network that a module of the package defines, except what networks are made of.

    Those that are fitted in one pass, and have no gradients, come on their own.
    """
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for name, cls in vars(module).items():
            own = inspect.isclass(cls) and cls.__module__ == module.__name__
            if not own or not issubclass(cls, nn.Module) or name in parts:
                continue
            if hasattr(cls, "update") == fitted:
                yield pytest.param(cls, id=name)


def small(cls, **options):
    """A small one: those of the options that its constructor knows, one block a stage."""
    known = inspect.signature(cls).parameters
    stages = [(1, stage[1], 1, *stage[3:]) for stage in efficientnet_lite.STAGES]
    with patch.object(efficientnet_lite, "STAGES", stages):
        return cls(**{name: value for name, value in options.items() if name in known})
