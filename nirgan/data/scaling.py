"""From what a camera wrote to [0, 1]: fixed, and said by the user.

A method was trained on values that a known black and a known white became. Which values those are
in a picture of another camera only its owner knows; nothing here looks at a picture and decides
alone unless it is asked to.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nirgan.data.decoding.picture import Pixels
from nirgan.errors import NirganError, printable_path

SCALE_FORMS = (
    "dtype, LOW,HIGH (camera values of black and white), percentile, or percentile:LOW,HIGH"
)
DEFAULT_PERCENTILES = (0.5, 99.5)
DARK_DIVISOR = 3
"""Where not even the brightest value reaches this part of white, white is somewhere else."""
MAX_NEGATIVE_FRACTION = 0.01
"""Part of all values that may be below black, by noise."""
CAMERA_WHITES = (255.0, 1023.0, 4095.0, 10_000.0, 16_383.0)
"""Where cameras of 8 to 14 bits end, and reflectances in units of 1/10000."""


@dataclass(frozen=True)
class Limits:
    """The camera values that become 0 and 1.

    Attributes:
        low: Black.
        high: White, more than that.
    """

    low: float
    high: float

    def to_stored(self, pixels: Pixels) -> Pixels:
        """Camera values as the store keeps them: integers as uint16 of full range, else [0, 1]."""
        unit: Pixels = self.to_unit(pixels).numpy()
        if not np.issubdtype(pixels.dtype, np.integer):
            return unit
        return np.round(unit * 65535).astype(np.uint16)

    def to_unit(self, pixels: Pixels) -> Tensor:
        """Camera values of any shape and type to float32 in [0, 1], clipped; nan becomes 0."""
        unit = torch.from_numpy(pixels.astype(np.float32))
        unit.sub_(self.low).mul_(1 / (self.high - self.low))
        return unit.nan_to_num_(nan=0.0, posinf=1.0, neginf=0.0).clamp_(0, 1)


@dataclass(frozen=True)
class Scale:
    """How limits are found. Make one with `parse`.

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
        """Read `--scale`.

        Args:
            text: What is given.
            option: Where; messages begin with it.

        Raises:
            NirganError: It is none of the forms.

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
        """As `parse` reads it."""
        ends = (self.low, self.high)
        numbers = ",".join(str(int(n)) if float(n).is_integer() else repr(n) for n in ends)
        return {"dtype": "dtype", "range": numbers}.get(self.kind, f"percentile:{numbers}")

    def limits(self, pixels: Pixels, name: Any) -> Limits:
        """The limits of a picture, of a video's first frame, or of a sample of a raster.

        Args:
            pixels: Camera values, any shape; values that are not finite do not count.
            name: What messages call it.

        Raises:
            NirganError: Floats beyond [0, 1] without a scale; a white that the type does not hold;
                a picture of one value has no percentiles.
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
                f"{printable_path(name)}: float values from {finite.min():g} to {finite.max():g}, expected "
                f"[0, 1]; say what is black and what is white: {self.option} LOW,HIGH"
            )
        return Limits(0.0, 1.0)

    def within(self, most: float, name: Any) -> Limits:
        """`low` and `high`, of values that end at `most`.

        Raises:
            NirganError: White lies beyond, so that all would be dark.
        """
        if self.high > most:
            raise NirganError(
                f"{printable_path(name)}: its values end at {most:g}, but {self.option} says that "
                f"{self.high:g} is white; give it a scale of its own"
            )
        return Limits(self.low, self.high)

    def _percentiles(self, pixels: Pixels, name: Any) -> Limits:
        values = pixels[np.isfinite(pixels)]
        if not values.size:
            raise NirganError(f"{printable_path(name)}: no finite value to take percentiles of")
        low, high = np.percentile(
            values[:: max(1, values.size // 1_000_000)], (self.low, self.high)
        )
        if not low < high:
            raise NirganError(
                f"{printable_path(name)}: percentiles {self.low:g} and {self.high:g} are both {low:g}; "
                f"use {self.option} LOW,HIGH"
            )
        return Limits(float(low), float(high))


def hint_of_bits(pixels: Pixels, option: str = "--scale") -> str:
    """What to say of values that come out nearly black, or as negative, under `dtype`; or nothing.

    Args:
        pixels: Camera values of any type and shape, those of no data left out.
        option: What would say otherwise.
    """
    values = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels
    if not values.size:
        return ""
    most = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    bottom, top = float(values.min()), float(values.max())
    negative = bottom < 0 and float((values < 0).mean()) > MAX_NEGATIVE_FRACTION
    if not negative and not 0 < top < most / DARK_DIVISOR:
        return ""
    low = -_round(-bottom) if negative else 0.0
    high = _round(top) if negative else _white(top, most)
    if negative:
        what = f"values from {bottom:g} on, of which those below 0 become black"
    else:
        what = f"no value above {top:g}, where {most:g} is white"
    bits = {2.0**n - 1: f"if it is {n}-bit, " for n in (10, 12, 14)}.get(high, "")
    return f"{what}: {bits}use {option} {low:.12g},{high:.12g}"


def _white(top: float, most: float) -> float:
    """What is white, as it seems: where cameras or reflectances end, else a round number."""
    usual = [white for white in CAMERA_WHITES if white / 4 < top <= white]
    return min(usual[0] if most > CAMERA_WHITES[0] and usual else _round(top), most)


def _round(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, ..., no less than a value; 0 of what is less than 0."""
    if value <= 0:
        return 0.0
    ten = 10.0 ** np.floor(np.log10(value))
    return float(next(ten * step for step in (1, 2, 5, 10) if ten * step >= value))
