"""nirgan turns near-infrared pictures into color ones."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nirgan.data.datamodule import PatchDataModule as PatchDataModule
    from nirgan.inference.colorizer import Colorizer as Colorizer
    from nirgan.inference.load import load as load
    from nirgan.metrics.angular_error import AngularError as AngularError
    from nirgan.tasks.adversarial import AdversarialTask as AdversarialTask
    from nirgan.tasks.supervised import SupervisedTask as SupervisedTask

# albumentations asks the network for a newer release of itself on import unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

__version__ = "0.1.0"

LAZY = {
    "AdversarialTask": "nirgan.tasks.adversarial",
    "AngularError": "nirgan.metrics.angular_error",
    "Colorizer": "nirgan.inference.colorizer",
    "PatchDataModule": "nirgan.data.datamodule",
    "SupervisedTask": "nirgan.tasks.supervised",
    "load": "nirgan.inference.load",
}
"""Modules of names that are imported on first use, since that takes seconds."""


def __dir__() -> list[str]:
    return sorted({*globals(), *LAZY})


def __getattr__(name: str) -> Any:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(LAZY[name]), name)
