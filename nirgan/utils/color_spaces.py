"""Color spaces in plain torch, for pictures in [-1, 1] (sRGB).

All take and give B x 3 x H x W, can be differentiated everywhere, and compute in full precision,
also under autocast: in bfloat16 a color is off by degrees.
"""

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

RGB_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
"""Linear sRGB to XYZ (ITU-R BT.709, D65)."""
XYZ_TO_RGB = np.linalg.inv(RGB_TO_XYZ).tolist()
WHITE_XYZ = (0.95047, 1.0, 1.08883)
"""XYZ of D65, CIE 1931 2 degree observer."""
LAB_LINEAR_BELOW = 6 / 29
"""Below its cube CIELAB's cube root goes on as a line (CIE 15)."""

Opponent = Literal["lalphabeta", "colip"]
"""Spaces of a brightness and two opponent colors, all from logarithms of cone responses.

`lalphabeta` is Ruderman's, with the matrices of Reinhard et al., "Color transfer between images",
2001. `colip` is the antagonist space of the Color Logarithmic Image Processing framework (Gavet,
Debayle and Pinoli, CCIW 2015): logarithmic tones of the responses, which its matrix P turns into
(achromatic, red-green, yellow-blue); cones after Hunt, Pointer and Estevez, white being (1, 1, 1).
Its constant M0 is a factor of all three, and 1 here."""
CONE_MATRICES = {
    "lalphabeta": np.array(
        [[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]]
    ),
    "colip": np.array([[0.4002, 0.7076, -0.0808], [-0.2263, 1.1653, 0.0457], [0, 0, 0.9182]])
    @ RGB_TO_XYZ,
}
OPPONENT_MATRICES = {
    "lalphabeta": np.diag(np.array([3, 6, 2]) ** -0.5)
    @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]]),
    "colip": np.array([[40 / 61, 20 / 61, 1 / 61], [1, -12 / 11, 1 / 11], [1 / 9, 1 / 9, -2 / 9]]),
}
COLORED_MIN_CHROMA = 15.0
"""CIELAB chroma above which a pixel counts as colored."""
MIN_CONE_RESPONSE = 1e-3
"""Least cone response of which a logarithm is taken, about three steps of 8 bits above black."""


def rgb_to_lab(picture: Tensor) -> Tensor:
    """To CIELAB: L in [0, 100], a and b about -86 to 98 and -108 to 94."""
    linear = _linear((picture + 1) / 2)
    xyz = _mix(linear, RGB_TO_XYZ) / picture.new_tensor(WHITE_XYZ).view(3, 1, 1)
    root = xyz.clamp(min=LAB_LINEAR_BELOW**3).pow(1 / 3)
    line = xyz / (3 * LAB_LINEAR_BELOW**2) + 4 / 29
    x, y, z = torch.where(xyz > LAB_LINEAR_BELOW**3, root, line).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """From CIELAB; what sRGB does not hold is clipped, channel by channel."""
    lightness, a, b = lab.unbind(1)
    y = (lightness + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], 1)
    cube, line = f.clamp(min=LAB_LINEAR_BELOW).pow(3), 3 * LAB_LINEAR_BELOW**2 * (f - 4 / 29)
    xyz = torch.where(f > LAB_LINEAR_BELOW, cube, line)
    return _encoded(_mix(xyz * lab.new_tensor(WHITE_XYZ).view(3, 1, 1), XYZ_TO_RGB)) * 2 - 1


def is_colored(pictures: Tensor, least_chroma: float = COLORED_MIN_CHROMA) -> Tensor:
    """Which pixels of B x 3 x H x W, sRGB in [0, 1], have a CIELAB chroma above; B x H x W."""
    lab = rgb_to_lab(pictures.float().clamp(0, 1) * 2 - 1)
    return torch.hypot(lab[:, 1], lab[:, 2]) > least_chroma


def rgb_to_opponent(picture: Tensor, space: Opponent) -> Tensor:
    """To brightness (0 for white, falling to about -12) and two opponent colors (0 for grey)."""
    cones = _mix(_linear((picture.clamp(-1, 1) + 1) / 2), _cones(space))
    return _mix(cones.clamp(min=MIN_CONE_RESPONSE).log(), OPPONENT_MATRICES[space].tolist())


def opponent_to_rgb(colors: Tensor, space: Opponent) -> Tensor:
    """From brightness and opponent colors; what sRGB does not hold is clipped."""
    cones = _mix(colors, np.linalg.inv(OPPONENT_MATRICES[space]).tolist()).exp()
    return _encoded(_mix(cones, np.linalg.inv(_cones(space)).tolist())) * 2 - 1


def _cones(space: Opponent) -> Any:
    matrix = CONE_MATRICES[space]
    return (matrix / matrix.sum(1, keepdims=True)).tolist()  # white is (1, 1, 1) to all digits


def _linear(encoded: Tensor) -> Tensor:
    curve = ((encoded.clamp(min=0.04045) + 0.055) / 1.055).pow(2.4)
    return torch.where(encoded > 0.04045, curve, encoded / 12.92)


def _encoded(linear: Tensor) -> Tensor:
    curve = 1.055 * linear.clamp(min=0.0031308).pow(1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curve, linear * 12.92).clamp(0, 1)


def _mix(channels: Tensor, matrix: object) -> Tensor:
    wide = channels.float() if channels.dtype in (torch.bfloat16, torch.float16) else channels
    with torch.autocast(wide.device.type, enabled=False):
        return torch.einsum("ij,bjhw->bihw", wide.new_tensor(matrix), wide)
