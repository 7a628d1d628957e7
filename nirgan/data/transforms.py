"""Augmentation of patches: geometric for the pair, photometric for the NIR band only.

Uses albumentations, whose generators have a state that repeats in workers. So they are reset before
every patch, to a hash of the patch's number.
"""

import random
from collections.abc import Sequence

import albumentations as A
import numpy as np

from nirgan.data.images import Pixels
from nirgan.errors import NirganError


class Augmentation:
    """Transforms of a patch, seeded by a hash.

    Args:
        geometry: Transforms of red, green, blue and NIR together.
        photometry: Transforms of the NIR band alone.
    """

    def __init__(
        self,
        geometry: Sequence[A.BasicTransform] = (),
        photometry: Sequence[A.BasicTransform] = (),
    ) -> None:
        self._geometry = A.Compose(list(geometry)) if geometry else None
        self._photometry = A.Compose(list(photometry)) if photometry else None
        self._bits = np.random.PCG64(0)
        self._python = random.Random(0)
        self._state = self._bits.state
        for transform in (self._geometry, self._photometry):
            if transform is not None:
                transform.set_random_state(np.random.Generator(self._bits), self._python)

    def __bool__(self) -> bool:
        return self._geometry is not None or self._photometry is not None

    def __call__(self, patch: Pixels, seed: int, size: int) -> Pixels:
        """Transform a patch, H x W x 4 as stored, to size x size x 4; a 64-bit hash is the seed.

        Transforms see 16 bits as floats in [0, 1], since many of them take uint16 for 8 bits.

        Raises:
            NirganError: A transform fails, or the output has another size or type.
        """
        if patch.dtype == np.uint16 and self:
            levels = np.float32(65535)
            return np.round(self(patch / levels, seed, size).clip(0, 1) * levels).astype(np.uint16)
        # Setting the state takes a fifth of the time of making a new generator.
        self._python.seed(seed)
        self._state["state"]["state"] = seed
        self._bits.state = self._state
        if self._geometry is not None:
            patch = _applied("geometry", self._geometry, patch)
        if patch.shape[:2] != (size, size):
            raise NirganError(
                f"data.geometry gives {patch.shape[0]}x{patch.shape[1]} pixels, expected "
                f"{size}x{size} (data.patch); use transforms that keep a patch's size, or, with "
                "data.crop=region, one that makes it, as albumentations.RandomResizedCrop"
            )
        if self._photometry is not None:
            nir = _applied("photometry", self._photometry, np.ascontiguousarray(patch[..., 3:]))
            patch = patch.copy()
            patch[..., 3] = nir[..., 0]
        return patch


def _applied(key: str, transforms: A.Compose, pixels: Pixels) -> Pixels:
    try:
        made: Pixels = transforms(image=pixels)["image"]
    except Exception as error:  # of whatever kind a transform raises
        reason = " ".join(str(error).split())[:200]
        raise NirganError(
            f"data.{key}: a transform fails on {pixels.shape[-1]} channels of {pixels.dtype} "
            f"({reason}); leave it out"
        ) from error
    kept = slice(2, None) if key == "geometry" else slice(None)
    if made.shape[kept] != pixels.shape[kept] or made.dtype != pixels.dtype:
        raise NirganError(
            f"data.{key} makes {made.dtype} {tuple(made.shape)} of {pixels.dtype} {pixels.shape}; "
            "leave out what changes type or channels, as ToFloat and Normalize, or the band's size"
        )
    return made
