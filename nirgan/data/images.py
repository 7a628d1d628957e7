"""Pictures as files: reading any depth, writing PNG, and the ranges that values live in.

Three ranges exist. A file and the store hold what the camera wrote: uint8, uint16 or float32 in
[0, 1]. Networks see [-1, 1]. Metrics, losses on colours and pictures for people see [0, 1]. The
functions here are the only places where one becomes another.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from nirgan.errors import NirganError

Pixels = npt.NDArray[Any]
"""A picture as stored: H x W or H x W x C; uint8, uint16, or float32 in [0, 1]."""

DEPTHS = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))
JPEG = {".jpg", ".jpeg"}


def read_rgb(path: Path) -> Pixels:
    """Read a colour picture.

    Returns:
        H x W x 3, RGB; uint8, uint16, or float32 in [0, 1].

    Raises:
        NirganError: The file is missing, damaged, or has no three channels.
    """
    pixels = _decode(path)
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        channels = 1 if pixels.ndim == 2 else pixels.shape[2]
        raise NirganError(f"{path}: {channels} channel(s), expected 3 (red, green, blue)")
    return pixels


def read_nir(path: Path) -> Pixels:
    """Read a near-infrared picture: one band, or three equal channels that hold one.

    Returns:
        H x W; uint8, uint16, or float32 in [0, 1].

    Raises:
        NirganError: The file is missing, damaged, or its channels differ.
    """
    pixels = _decode(path)
    if pixels.ndim == 2:
        return pixels
    band = pixels[..., 0]
    if not all(np.array_equal(band, pixels[..., c]) for c in range(1, pixels.shape[2])):
        raise NirganError(
            f"{path}: {pixels.shape[2]} channels that differ, expected one NIR band "
            "(or three equal channels); is this the colour picture?"
        )
    return np.ascontiguousarray(band)


def _decode(path: Path) -> Pixels:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NirganError(f"{path}: cannot be read ({error.strerror})") from error
    if path.suffix.lower() in JPEG:
        # OpenCV fills a truncated JPEG with grey and does not say so; Pillow refuses it.
        try:
            with Image.open(path) as picture:
                return np.array(ImageOps.exif_transpose(picture))
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise NirganError(f"{path}: not a whole JPEG picture ({error})") from error
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise NirganError(f"{path}: not a readable picture ({error.err})") from error
    if pixels is None:
        raise NirganError(f"{path}: not a readable picture; it may be damaged or empty")
    if pixels.dtype not in DEPTHS:
        raise NirganError(
            f"{path}: values of type {pixels.dtype}, expected uint8, uint16 or float32"
        )
    if pixels.dtype == np.float32 and not (
        np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1
    ):
        raise NirganError(
            f"{path}: float values outside [0, 1] or not finite; scale them to [0, 1]"
        )
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim == 3 and pixels.shape[2] >= 3:
        pixels = np.ascontiguousarray(pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]])
    return pixels


def as_depth(pixels: Pixels, depth: np.dtype[Any]) -> Pixels:
    """Widen a picture to a depth: 255 becomes 65535 or 1.0, without loss.

    Args:
        pixels: uint8, uint16, or float32 in [0, 1].
        depth: The same or a wider one of those.
    """
    if pixels.dtype == depth:
        return pixels
    if depth == np.uint16:
        return pixels.astype(np.uint16) * np.uint16(257)
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def stored_to_signed(pixels: Tensor) -> Tensor:
    """Stored values (uint8, uint16, or float in [0, 1]) to the networks' [-1, 1], as float32."""
    if pixels.is_floating_point():
        return pixels * 2 - 1
    return pixels.to(torch.float32) * (2 / torch.iinfo(pixels.dtype).max) - 1


def signed_to_unit(pixels: Tensor) -> Tensor:
    """The networks' [-1, 1] to [0, 1], as float32."""
    return (pixels.float() + 1) / 2


def write_png(path: Path, picture: Tensor) -> None:
    """Write a picture atomically.

    Args:
        path: The file; its folder is made if need be.
        picture: 3 x H x W in [0, 1]; values outside are clipped.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (picture.detach().clamp(0, 1) * 255).round().to("cpu", torch.uint8)
    part = path.with_name(path.name + ".part")
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(part, format="PNG")
    part.replace(path)
