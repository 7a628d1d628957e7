"""Videos made of videos by a colorizer whose colors can be told in advance."""

import threading

import numpy as np
import torch
from torch import nn

from nirgan.data.scaling import Scale
from nirgan.inference.video.colorize import colorize_video

DTYPE = Scale.parse("dtype")


class Tinted:
    """Colors that tell the band: red is it, green half of it, blue its opposite."""

    title = "nirgan 0, model tinted (1a2b)"
    generator, receptive_field = nn.Identity(), None

    def __init__(self, fail_at=None, error=None):
        self.bands, self.fail_at, self.error = [], fail_at, error

    def colorize_bands(self, nir):
        self.bands.extend(nir)
        if self.fail_at is not None and len(self.bands) > self.fail_at:
            raise self.error
        return torch.stack([nir, nir / 2, 1 - nir], 1)


def colorized(source, target=None, colorizer=None, scale=DTYPE, tick=lambda count: None, **more):
    target = target or source.parent / "out" / source.name
    colorize_video(colorizer or Tinted(), source, target, scale, tick, **more)
    return target


def untouched(folder):
    """Nothing of an output is there, and no thread."""
    kept = list((folder / "out").glob("*")) if (folder / "out").exists() else []
    return not kept and not [t for t in threading.enumerate() if t.name.startswith("nirgan-")]


def expected(picture):
    band = picture / 255
    return np.stack([band, band / 2, 1 - band], -1) * 255


def noisy(number):
    return np.random.default_rng(number).integers(0, 255, (32, 48), dtype=np.uint8)
