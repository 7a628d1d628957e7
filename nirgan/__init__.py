"""nirgan turns near-infrared pictures into colour ones."""

import os

# albumentations asks the network for a newer release of itself on import unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

__version__ = "0.1.0"
