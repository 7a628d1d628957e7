"""Scales camera values to [0, 1] by a black and a white value that the user gives.

Which values are black and white in the pictures of a camera, only its owner knows. Nothing here
derives them from a picture, unless the user asks for percentiles.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nirgan.data.decoding.picture import Pixels
from nirgan.errors import NirganError

SCALE_FORMS = (
    "dtype, LOW,HIGH (camera values of black and white), percentile, or percentile:LOW,HIGH"
)
DEFAULT_PERCENTILES = (0.5, 99.5)
DARK_DIVISOR = 3
"""A hint is given if the largest value is less than white divided by this."""
MAX_NEGATIVE_FRACTION = 0.01
"""Fraction of the values that may be below black, because of noise."""
CAMERA_WHITES = (255.0, 1023.0, 4095.0, 10_000.0, 16_383.0)
"""White values of cameras of 8 to 14 bits, and of reflectances in units of 1/10000."""


@dataclass(frozen=True)
class Limits:
    """The camera values that become 0 and 1.

    Attributes:
        low: Black.
        high: White, larger than `low`.
    """

    low: float
    high: float

    def to_stored(self, pixels: Pixels) -> Pixels:
        """Convert camera values for the store: integers to full-range uint16, floats to [0, 1]."""
        unit: Pixels = self.to_unit(pixels).numpy()
        if not np.issubdtype(pixels.dtype, np.integer):
            return unit
        return np.round(unit * 65535).astype(np.uint16)

    def to_unit(self, pixels: Pixels) -> Tensor:
        """Convert camera values of any type and shape to float32 in [0, 1], clipped; nan to 0."""
        unit = torch.from_numpy(pixels.astype(np.float32))
        unit.sub_(self.low).mul_(1 / (self.high - self.low))
        return unit.nan_to_num_(nan=0.0, posinf=1.0, neginf=0.0).clamp_(0, 1)


@dataclass(frozen=True)
class Scale:
    """How the limits of a picture are determined; made by `parse`.

    Attributes:
        kind: `dtype`: the range of the file's type, [0, 1] of floats; `range`: `low` and `high`;
            `percentile`: those percentiles of a picture's own values.
        low: A camera value, or a percentile.
        high: Likewise.
        option: What messages call it.
    """

    kind: str = "dtype"
    low: float = 0.0
    high: float = 0.0
    option: str = field(default="--scale", repr=False, compare=False)

    @classmethod
    def parse(cls, text: str, option: str = "--scale") -> "Scale":
        """Read the value of `--scale`, or of another option, for messages.

        Raises:
            NirganError: It has none of the forms.

        >>> Scale.parse("0,4095")
        Scale(kind='range', low=0.0, high=4095.0)
        """
        word, _, numbers = text.partition(":")
        if text == "dtype":
            return cls(option=option)
        if text == "percentile":
            return cls("percentile", *DEFAULT_PERCENTILES, option)
        kind, numbers = (word, numbers) if word == "percentile" else ("range", text)
        try:
            low, high = (float(number) for number in numbers.split(","))
        except ValueError:
            raise NirganError(f"{option} {text}: expected {SCALE_FORMS}") from None
        if not (np.isfinite([low, high]).all() and low < high):
            raise NirganError(f"{option} {text}: LOW must be less than HIGH, both finite")
        if kind == "percentile" and not 0 <= low < high <= 100:
            raise NirganError(f"{option} {text}: percentiles lie between 0 and 100")
        return cls(kind, low, high, option)

    def __str__(self) -> str:
        """The text that `parse` reads."""
        ends = (self.low, self.high)
        numbers = ",".join(str(int(n)) if float(n).is_integer() else repr(n) for n in ends)
        return {"dtype": "dtype", "range": numbers}.get(self.kind, f"percentile:{numbers}")

    def limits(self, pixels: Pixels, name: Any) -> Limits:
        """The limits of a picture, of a video's first frame, or of a sample of a raster.

        Args:
            pixels: Camera values, any shape; values that are not finite do not count.
            name: What messages call it.

        Raises:
            NirganError: There are floats outside of [0, 1] and no scale, white is outside of the
                range of the type, or both percentiles have the same value.
        """
        whole = np.issubdtype(pixels.dtype, np.integer)
        if self.kind == "range":
            return self.within(np.iinfo(pixels.dtype).max if whole else np.inf, name)
        if self.kind == "percentile":
            return self._percentiles(pixels, name)
        if whole:
            return Limits(0.0, float(np.iinfo(pixels.dtype).max))
        finite = pixels[np.isfinite(pixels)]
        if finite.size and (finite.min() < 0 or finite.max() > 1):
            raise NirganError(
                f"{name}: float values from {finite.min():g} to {finite.max():g}, "
                f"expected [0, 1]; say what is black and what is white: {self.option} LOW,HIGH"
            )
        return Limits(0.0, 1.0)

    def within(self, most: float, name: Any) -> Limits:
        """`low` and `high`, for values of at most `most`.

        Raises:
            NirganError: White is larger, so that all pixels would be dark.
        """
        if self.high > most:
            raise NirganError(
                f"{name}: its values end at {most:g}, but {self.option} says that "
                f"{self.high:g} is white; give it a scale of its own"
            )
        return Limits(self.low, self.high)

    def _percentiles(self, pixels: Pixels, name: Any) -> Limits:
        values = pixels[np.isfinite(pixels)]
        if not values.size:
            raise NirganError(f"{name}: no finite value to take percentiles of")
        step = max(1, values.size // 1_000_000)
        step += pixels.shape[-1:] == (3,) and step % 3 == 0  # else red alone would be seen
        low, high = np.percentile(values[::step], (self.low, self.high))
        if not low < high:
            raise NirganError(
                f"{name}: percentiles {self.low:g} and {self.high:g} are both "
                f"{low:g}; use {self.option} LOW,HIGH"
            )
        return Limits(float(low), float(high))


def hint_of_bits(pixels: Pixels, option: str = "--scale") -> str:
    """A hint, which recommends an option, if `dtype` makes values nearly black or negative.

    Pixels are camera values of any type and shape, without those of no data.
    """
    values = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels
    if not values.size:
        return ""
    most = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    bottom, top = float(values.min()), float(values.max())
    if bottom < 0 and float((values < 0).mean()) > MAX_NEGATIVE_FRACTION:
        what = f"values from {bottom:g} on, of which those below 0 become black"
        low, high = -_round(-bottom), _round(top)
    elif 0 < top < most / DARK_DIVISOR:
        what = f"no value above {top:g}, where {most:g} is white"
        low, high = 0.0, _white(top, most)
    else:
        return ""
    bits = {2.0**n - 1: f"if it is {n}-bit, " for n in (10, 12, 14)}.get(high, "")
    return f"{what}: {bits}use {option} {low:.12g},{high:.12g}"


def _white(top: float, most: float) -> float:
    """The probable white: that of a camera or of reflectances, else a round number."""
    usual = [white for white in CAMERA_WHITES if white / 4 < top <= white]
    return min(usual[0] if most > CAMERA_WHITES[0] and usual else _round(top), most)


def _round(value: float) -> float:
    """Round up to 1, 2, 5, 10, 20, 50, ...; 0 for negative values."""
    if value <= 0:
        return 0.0
    ten = 10.0 ** np.floor(np.log10(value))
    return float(next(ten * step for step in (1, 2, 5, 10) if ten * step >= value))
