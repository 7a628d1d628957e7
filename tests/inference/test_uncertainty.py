"""How far colors may be off: farther where they are vivid, and where they are dark."""

import pytest
import torch

from nirgan.inference.uncertainty import (
    ANGLE_OFFSET_DEG,
    BRIGHTNESS_OFFSET,
    CALIBRATION_FACTOR,
    expected_error,
)


def test_vivid_and_dark_colors_are_expected_to_be_off():
    grey, pale, vivid = [0.6, 0.6, 0.6], [0.7, 0.6, 0.5], [0.9, 0.6, 0.3]
    colors = torch.tensor([grey, pale, vivid, [c / 3 for c in pale], [0.0, 0.0, 0.0]])
    found = expected_error(colors.T.view(1, 3, 1, 5))
    assert found.shape == (1, 1, 5)
    at_grey, at_pale, at_vivid, at_dark, at_black = found.flatten().tolist()
    assert at_grey == pytest.approx(
        CALIBRATION_FACTOR * (ANGLE_OFFSET_DEG / (0.6 + BRIGHTNESS_OFFSET)) ** 0.5, rel=1e-4
    )
    assert at_grey < at_pale < at_vivid
    assert at_pale < at_dark
    assert at_black == pytest.approx(
        CALIBRATION_FACTOR * (ANGLE_OFFSET_DEG / BRIGHTNESS_OFFSET) ** 0.5, rel=1e-4
    )


def test_half_precision_is_taken():
    assert expected_error(torch.rand(1, 3, 4, 4).half()).dtype == torch.float32
