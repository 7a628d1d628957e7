"""Converts numpy arrays, tensors and PIL images to NIR bands, and colors back to the same kind.

| input | shape and values | output |
|---|---|---|
| numpy array | H x W, H x W x 1, or H x W x 3 of one band; uint8, uint16, or float | H x W x 3 |
| several in one array | B x H x W x 1 or 3 | B x H x W x 3 |
| tensor | H x W, C x H x W or B x C x H x W, C 1 or 3; the same types | C is 3, same device |
| PIL image | one band or three equal ones, with or without alpha | RGB or RGBA |

`nirgan.data.channels` decides which pictures of three channels are accepted as one band.

>>> import torch
>>> from PIL import Image
>>> from nirgan import load
>>> colorizer = load(device="cpu")
>>> colorizer(torch.zeros(2, 1, 64, 80, dtype=torch.uint8)).shape
torch.Size([2, 3, 64, 80])
>>> colorizer(Image.new("LA", (80, 64))).mode
'RGBA'
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from nirgan.data.channels import choose_channel, distance_from_grey
from nirgan.data.images import Pixels
from nirgan.errors import NirganError
from nirgan.inference.nodata_fill import fill_transparent

PIL_MODES = ("1", "L", "LA", "I;16", "F", "RGB", "RGBA")
ColorizeBands = Callable[[Pixels], Tensor]
"""Makes colors, B x 3 x H x W in [0, 1], of camera values, B x H x W."""


def convert(image: Any, band: int | None, colorize: ColorizeBands) -> Any:
    """Colorize an input, see the table in this module; returns the kind of object that was given.

    `band` is the channel that is near-infrared, from 1 on; None: all of them hold it.

    Raises:
        NirganError: It is not a picture, is in color, or has no such channel.
    """
    if isinstance(image, Image.Image):
        return _pil(image, band, colorize)
    if isinstance(image, Tensor):
        return _tensor(image, band, colorize)
    if isinstance(image, np.ndarray):
        return _array(image, band, colorize)
    raise NirganError(
        f"a {type(image).__name__} is no picture; hand over a numpy array, a tensor, a PIL image, "
        "a path, or a list of those"
    )


def to_levels(rgb: Tensor, depth: int) -> Pixels:
    """Convert 3 x H x W in [0, 1], clipped, to H x W x 3 of 8 or 16 bits."""
    return cv2.merge([to_depth(plane, depth) for plane in rgb.detach().cpu().float().numpy()])


def to_depth(plane: Pixels, depth: int) -> Pixels:
    """Convert H x W in [0, 1] to 8 or 16 bits, rounded and clipped."""
    kind = cv2.CV_8U if depth == 8 else cv2.CV_16U
    # A third of the time that torch or numpy need.
    return cv2.addWeighted(plane, 2**depth - 1, plane, 0, 0, dtype=kind)


def _array(image: Pixels, band: int | None, colorize: ColorizeBands) -> Pixels:
    colors = colorize(_bands(image, band))
    if image.dtype.kind == "f":
        made = colors.movedim(1, -1).numpy().astype(image.dtype.newbyteorder("="), order="C")
    else:
        made = np.stack([to_levels(rgb, 8 * image.itemsize) for rgb in colors])
    return made if image.ndim == 4 else made[0]


def _tensor(image: Tensor, band: int | None, colorize: ColorizeBands) -> Tensor:
    if image.dim() not in (2, 3, 4) or (image.dim() > 2 and image.shape[-3] not in (1, 3)):
        raise NirganError(
            f"a tensor of shape {tuple(image.shape)}: expected H x W, C x H x W or B x C x H x W "
            "of 1 or 3 channels"
        )
    pixels = image.detach().cpu()
    pixels = pixels.float() if pixels.dtype in (torch.bfloat16, torch.float16) else pixels
    values = pixels.numpy()
    made = _array(np.moveaxis(values, -3, -1) if values.ndim > 2 else values, band, colorize)
    return torch.from_numpy(made).movedim(-1, -3).contiguous().to(image.device, image.dtype)


def _pil(image: Image.Image, band: int | None, colorize: ColorizeBands) -> Image.Image:
    image = ImageOps.exif_transpose(image)  # upright, as files are
    if image.mode not in PIL_MODES:
        raise NirganError(
            f"a PIL image of mode {image.mode}: expected one of {', '.join(PIL_MODES)}; convert it"
        )
    pixels = np.asarray(image.convert("L") if image.mode == "1" else image)
    alpha = None
    if image.mode in ("LA", "RGBA"):
        pixels, alpha = pixels[..., :-1], pixels[..., -1]
    if alpha is not None and band == len(image.getbands()):
        pixels, alpha, band = alpha, None, None
    (colors,) = colorize(fill_transparent(_bands(pixels, band)[0], alpha)[None])
    made = to_levels(colors, 8)
    return Image.fromarray(made if alpha is None else np.dstack([made, alpha]))


def _bands(image: Pixels, band: int | None) -> Pixels:
    """The chosen channel of an array, or the one band that all of its channels hold: B x H x W."""
    if image.ndim not in (2, 3, 4) or (image.ndim > 2 and image.shape[-1] not in (1, 3)):
        raise NirganError(
            f"an array of shape {image.shape}: expected H x W, H x W x 1, H x W x 3 "
            "or B x H x W x 1 or 3"
        )
    if np.ma.is_masked(image):
        raise NirganError("a masked array: fill what is masked first, with array.filled(...)")
    image = np.asarray(image, image.dtype.newbyteorder("="))
    pictures = image[..., None] if image.ndim == 2 else image
    pictures = pictures[None] if pictures.ndim == 3 else pictures
    if band is not None:
        bands = np.stack([choose_channel(one, band, "the picture") for one in pictures])
    elif pictures.shape[-1] == 1:
        bands = pictures[..., 0]
    else:
        for one in pictures:
            distance_from_grey(one, "the picture")
        bands = pictures[..., 1]
    if bands.dtype not in (np.uint8, np.uint16) and not np.issubdtype(bands.dtype, np.floating):
        raise NirganError(f"values of type {bands.dtype}, expected uint8, uint16 or floats")
    if not bands.size:
        raise NirganError(f"a picture of {bands.shape[-1]}x{bands.shape[-2]} has no pixels")
    if np.issubdtype(bands.dtype, np.floating) and not np.isfinite(bands).all():
        bad = int((~np.isfinite(bands)).sum())
        raise NirganError(f"{bad} values are not finite; replace them, np.nan_to_num for instance")
    return bands
