"""What all decoders share: their result, their error and the size limit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]
"""A picture as stored: H x W or H x W x C; integers of any type, or float32."""


class DecodeError(Exception):
    """The reason why a file cannot be used; `decode` puts the file's name before it."""


class Tag(NamedTuple):
    """A tag's value as TIFF and EXIF have it.

    Attributes:
        kind: The number of its type.
        value: As Pillow has it: numbers, or bytes, of which text is some.
    """

    kind: int
    value: Any

    @property
    def nbytes(self) -> int:
        """How many bytes it takes, at most."""
        if isinstance(self.value, bytes):
            return len(self.value)
        return 8 * len(self.value) if isinstance(self.value, tuple) else 8


@dataclass(frozen=True)
class Metadata:
    """What a camera says beside the pixels.

    Attributes:
        tags: Of the picture, maker and date say, by number.
        exif: Of how it was taken.
        gps: Of where.
        dpi: Pixels per inch, across and down; None: not told.
        icc: A profile; empty: none.
        xmp: A packet of XML; empty: none.
        orientation: How the camera was held, 1 to 8; 1: upright.
    """

    tags: Mapping[int, Tag] = field(default_factory=dict)
    exif: Mapping[int, Tag] = field(default_factory=dict)
    gps: Mapping[int, Tag] = field(default_factory=dict)
    dpi: tuple[float, float] | None = None
    icc: bytes = b""
    xmp: bytes = b""
    orientation: int = 1


@dataclass(frozen=True)
class DecodedImage:
    """A picture as its camera wrote it.

    Attributes:
        pixels: H x W, or H x W x 3 in the order red, green, blue, or H x W x C of chosen channels;
            integers of any type, or float32.
        alpha: H x W of the same type; None where the file has none.
        metadata: What else its file says.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    metadata: Metadata = field(default_factory=Metadata)

    def channels(self, bands: Sequence[int]) -> "DecodedImage":
        """Some channels alone, by their numbers from 1 on; transparency is the last; none: all.

        Raises:
            DecodeError: There is none of such a number.
        """
        if not bands:
            return self
        planes = [self.pixels] if self.pixels.ndim == 2 else [*np.moveaxis(self.pixels, 2, 0)]
        alpha = None if self.alpha is None or len(planes) + 1 in bands else self.alpha
        planes += [] if self.alpha is None else [self.alpha]
        if missing := [band for band in bands if not 1 <= band <= len(planes)]:
            raise DecodeError(f"no band {missing[0]}, of the {len(planes)} that there are")
        chosen = [planes[band - 1] for band in bands]
        pixels = chosen[0] if len(chosen) == 1 else np.stack(chosen, -1)
        return replace(self, pixels=np.ascontiguousarray(pixels), alpha=alpha)

    def upright(self) -> "DecodedImage":
        """The same picture as its camera was held."""
        turn = self.metadata.orientation
        alpha = None if self.alpha is None else _turned(self.alpha, turn)
        return replace(self, pixels=_turned(self.pixels, turn), alpha=alpha)


@dataclass(frozen=True)
class SizeLimit:
    """How large a picture may be.

    Attributes:
        megapixels: Of the largest that is decoded.
        advice: What to do about a larger one.
        band_advice: What to do about several channels, of which one is to be taken.
    """

    megapixels: float
    advice: str
    band_advice: str = "save the near-infrared channel alone"

    def check(self, width: int, height: int, what: str = "a picture") -> None:
        """Raise a `DecodeError` for a size that has no pixels, or too many to be decoded."""
        if width < 1 or height < 1:
            raise DecodeError(f"{what} of {width}x{height} has no pixels")
        if width * height > self.megapixels * 1e6:
            raise DecodeError(
                f"{what} of {width}x{height} has {width * height / 1e6:.4g} megapixels, more than "
                f"{self.megapixels:g}; {self.advice}"
            )


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    if orientation >= 5:  # rows are columns
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
