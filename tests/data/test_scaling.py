"""Camera values to [0, 1]: fixed, explicit, and refused where nobody said what they are."""

import numpy as np
import pytest

from nirgan.data.scaling import Limits, Scale, hint_of_bits
from nirgan.errors import NirganError

RAMP = np.arange(0, 4096, dtype=np.uint16).reshape(64, 64)


@pytest.mark.parametrize(
    ("text", "pixels", "low", "high"),
    [
        ("dtype", np.zeros((2, 2), np.uint8), 0, 255),
        ("dtype", np.array([[0.0, 1.0]], np.float32), 0, 1),
        ("-1.5,2", np.array([[0.5]], np.float32), -1.5, 2),
        ("percentile:10,50", RAMP, 409.5, 2047.5),
        ("percentile:0,100", np.full((1000, 1100, 3), (9, 99, 999), np.uint16), 9, 999),
    ],
)
def test_limits(text, pixels, low, high):
    limits = Scale.parse(text).limits(pixels, "a.png")
    assert (limits.low, limits.high) == pytest.approx((low, high))


def test_what_is_no_number_is_black():
    unit = Limits(0, 1).to_unit(np.array([np.nan, np.inf, -np.inf, 0.5], np.float32))
    assert unit.tolist() == [0, 1, 0, 0.5]


@pytest.mark.parametrize(
    "text", ["max", "1,2,3", "5,5", "0,inf", "percentile:-1,99", "percentile:1,101"]
)
def test_what_cannot_be_a_scale_is_one_line(text):
    with pytest.raises(NirganError, match="--scale") as error:
        Scale.parse(text)
    assert "\n" not in str(error.value)


def test_floats_beyond_one_need_a_scale():
    reflectance = np.array([[0, 4000.0]], np.float32)
    with pytest.raises(
        NirganError, match=r"a\.tif: float values from 0 to 4000, .*--scale LOW,HIGH"
    ):
        Scale().limits(reflectance, "a.tif")
    with pytest.raises(NirganError, match=r"b\.png: its values end at 255, .*4095 is white"):
        Scale.parse("0,4095").limits(np.zeros((2, 2), np.uint8), "b.png")
    with pytest.raises(NirganError, match="both 7"):
        Scale.parse("percentile").limits(np.full((4, 4), 7, np.uint8), "a.png")


@pytest.mark.parametrize(
    ("dtype", "low", "high", "scale"),
    [
        ("uint16", 0, 4095, "if it is 12-bit, use --scale 0,4095"),
        ("int16", 500, 9500, "no value above 9500, where 32767 is white: use --scale 0,10000"),
        (
            "int16",
            -3000,
            -100,
            "from -3000 on, of which those below 0 become black: use --scale -5",
        ),
        ("int8", -100, 100, "use --scale -100,100"),
        ("uint8", 0, 60, "use --scale 0,100"),
        ("uint32", 0, 300_000_000, "use --scale 0,500000000"),
        ("float32", 0, 0.018, "use --scale 0,0.02"),
        ("int16", -1, 30000, ""),
        ("uint8", 0, 0, ""),
        ("float32", 0, 0.9, ""),
    ],
)
def test_values_that_come_out_black_are_hinted_at(dtype, low, high, scale):
    values = np.linspace(low, high, 1000).astype(dtype)
    hint = hint_of_bits(values)
    assert scale in hint
    assert bool(hint) == bool(scale)
    if hint:  # what it proposes uses half of the range and more, and cuts nothing off
        limits = Scale.parse(hint.rpartition(" ")[2]).limits(values, "a.tif")
        unit = limits.to_unit(values)
        assert limits.low <= values.min() <= values.max() <= limits.high
        assert unit.max() - unit.min() > 0.35
    assert hint_of_bits(values[:0]) == ""
