"""nirgan turns near-infrared pictures into colour ones."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nirgan.inference.loading import load as load

# albumentations asks the network for a newer release of itself on import unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nirgan.inference.loading import load  # noqa: PLC0415 (seconds of imports)

    return load
