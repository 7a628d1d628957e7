"""Reads pictures of any depth, writes PNG, and converts between ranges of values.

Of three ranges, files and the store hold the camera's values: uint8, uint16, or float32 in [0, 1].
Networks use [-1, 1]. Metrics, losses on colors and pictures for display use [0, 1].
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nirgan.data.channels import distance_from_grey
from nirgan.data.decoding import picture
from nirgan.data.decoding.decode import decode
from nirgan.data.decoding.picture import SizeLimit
from nirgan.data.scaling import Scale
from nirgan.errors import NirganError
from nirgan.utils.atomic_write import atomic_write

Pixels = picture.Pixels
"""A picture as stored: H x W or H x W x C; uint8, uint16, or float32 in [0, 1]."""

STORED_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))

DTYPE_SCALE = Scale()
"""The whole range of a file's type."""

PAIR_SIZE_LIMIT = SizeLimit(1000.0, "cut the pair into smaller pictures")
"""Larger than for colorizing, since a pair is decoded into a memory-mapped file."""


def read_rgb(path: Path, scale: Scale = DTYPE_SCALE) -> Pixels:
    """Read a color picture.

    Args:
        path: The file.
        scale: Which values are black and white, the same of all channels.

    Returns:
        H x W x 3, RGB; uint8, uint16, or float32 in [0, 1].

    Raises:
        NirganError: The file is missing, damaged, or does not have three channels.
    """
    pixels = _opaque(path)
    if pixels.ndim != 3:
        raise NirganError(f"{path}: 1 channel(s), expected 3 (red, green, blue)")
    return _as_stored(pixels, scale, path)


def read_nir(path: Path, scale: Scale = DTYPE_SCALE) -> Pixels:
    """Read a near-infrared picture, H x W, as `read_rgb`; all of three channels hold the band.

    Raises:
        NirganError: The file is missing, damaged, or a picture in color.
    """
    return _as_stored(one_band(_opaque(path), path)[0], scale, path)


def read_rgbn(path: Path, nir_scale: Scale, rgb_scale: Scale) -> tuple[Pixels, Pixels]:
    """Read a picture of four channels, red, green, blue and near-infrared, each as stored.

    Returns:
        NIR, H x W, and RGB, H x W x 3.

    Raises:
        NirganError: The file is missing, damaged, or has fewer channels.
    """
    pixels = _opaque(path, (1, 2, 3, 4))
    nir, rgb = pixels[..., 3], pixels[..., :3]
    return _as_stored(nir, nir_scale, path), _as_stored(rgb, rgb_scale, path)


def one_band(pixels: Pixels, name: object) -> tuple[Pixels, float]:
    """The near-infrared band of a picture, H x W, or H x W x 3 that contain the same band.

    Returns:
        The band, H x W, and the distance of the picture from grey, in levels of 255.

    Raises:
        NirganError: It is a picture in color, see `nirgan.data.channels`.
    """
    if pixels.ndim == 2:
        return pixels, 0.0
    levels = distance_from_grey(pixels, name)
    return np.ascontiguousarray(pixels[..., 1]), levels


def _opaque(path: Path, bands: Sequence[int] = ()) -> Pixels:
    decoded = decode(path, PAIR_SIZE_LIMIT, bands)
    if decoded.alpha is not None:
        raise NirganError(
            f"{path}: an alpha channel; nothing is learned from transparent pixels, save it without"
        )
    return decoded.pixels


def _as_stored(pixels: Pixels, scale: Scale, path: Path) -> Pixels:
    check_type(pixels.dtype, scale, path)
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise NirganError(f"{path}: float values that are not finite (nan or inf); replace them")
    limits = scale.limits(pixels, path)
    return pixels if scale.kind == "dtype" else limits.to_stored(pixels)


def check_type(dtype: np.dtype[Any], scale: Scale, path: Path) -> None:
    """Raise a `NirganError` for values that are neither stored as they are nor scaled."""
    if scale.kind == "dtype" and dtype not in STORED_DTYPES:
        raise NirganError(
            f"{path}: values of type {dtype}, expected uint8, uint16, or "
            f"floats in [0, 1]; {scale.option} LOW,HIGH scales others"
        )


def as_depth(pixels: Pixels, depth: np.dtype[Any]) -> Pixels:
    """Convert uint8, uint16, or float32 in [0, 1] to the same or a wider depth, without loss."""
    if pixels.dtype == depth:
        return pixels
    if depth == np.uint16:
        return pixels.astype(np.uint16) * np.uint16(257)
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def stored_to_signed(pixels: Tensor) -> Tensor:
    """Convert stored values (uint8, uint16, or float in [0, 1]) to [-1, 1], float32."""
    if pixels.is_floating_point():
        return pixels * 2 - 1
    return pixels.to(torch.float32) * (2 / torch.iinfo(pixels.dtype).max) - 1


def signed_to_unit(pixels: Tensor) -> Tensor:
    """Convert the networks' [-1, 1] to [0, 1], float32."""
    return (pixels.float() + 1) / 2


def write_png(path: Path, picture: Tensor) -> None:
    """Write a picture atomically: 3 x H x W in [0, 1], clipped."""
    pixels = (picture.detach().clamp(0, 1) * 255).round().to("cpu", torch.uint8)
    with atomic_write(path) as part:
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(part, format="PNG")
