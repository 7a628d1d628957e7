"""Materials: how much red, green, blue and near-infrared light each gives back.

Values are typical of the classes of material in published laboratory spectra, the USGS spectral
library version 7 (Kokaly et al. 2017) and the ECOSTRESS library (Meerdink et al. 2019), over red
600-700, green 500-600, blue 400-500 and NIR 750-1000 nm; no single spectrum is copied. Their
pattern is what NIR colorization lives on: leaves are dark in red and bright in NIR, clear water and
asphalt are dark in both, most paints and flowers let NIR through to a bright ground whatever their
color.
"""

from typing import NamedTuple


class Material(NamedTuple):
    """Diffuse reflectance in each band, from 0 to 1, and the look of its surface.

    Attributes:
        red: 600-700 nm.
        green: 500-600 nm.
        blue: 400-500 nm.
        nir: 750-1000 nm.
        texture: The pattern that its surface shows, a key of `textures.PATTERNS`.
        contrast: Strength of the pattern, 0 to 1.
    """

    red: float
    green: float
    blue: float
    nir: float
    texture: str
    contrast: float


MATERIALS = {
    "leaves": Material(0.05, 0.10, 0.035, 0.50, "leaves", 0.75),
    "conifer": Material(0.035, 0.065, 0.03, 0.34, "leaves", 0.85),
    "ivy": Material(0.06, 0.11, 0.04, 0.46, "leaves", 0.60),
    "grass": Material(0.075, 0.13, 0.045, 0.46, "grass", 0.40),
    "dry grass": Material(0.26, 0.22, 0.13, 0.40, "grass", 0.40),
    "soil": Material(0.20, 0.145, 0.095, 0.30, "grain", 0.35),
    "gravel": Material(0.33, 0.29, 0.24, 0.38, "grain", 0.55),
    "asphalt": Material(0.095, 0.092, 0.09, 0.115, "grain", 0.30),
    "paving": Material(0.30, 0.28, 0.25, 0.34, "blocks", 0.25),
    "concrete": Material(0.36, 0.34, 0.31, 0.40, "stains", 0.20),
    "limestone": Material(0.47, 0.42, 0.33, 0.55, "blocks", 0.40),
    "sandstone": Material(0.40, 0.30, 0.20, 0.48, "blocks", 0.45),
    "brick": Material(0.30, 0.125, 0.085, 0.39, "bricks", 0.45),
    "white plaster": Material(0.70, 0.67, 0.61, 0.74, "stains", 0.10),
    "ochre plaster": Material(0.60, 0.44, 0.23, 0.68, "stains", 0.14),
    "pink plaster": Material(0.62, 0.42, 0.36, 0.70, "stains", 0.14),
    "clay tiles": Material(0.34, 0.145, 0.085, 0.44, "tiles", 0.50),
    "slate": Material(0.105, 0.11, 0.125, 0.14, "tiles", 0.35),
    "wood": Material(0.20, 0.135, 0.085, 0.40, "boards", 0.45),
    "green shutter": Material(0.07, 0.16, 0.11, 0.45, "boards", 0.25),
    "glass": Material(0.035, 0.045, 0.06, 0.03, "smooth", 0.0),
    "metal": Material(0.20, 0.20, 0.21, 0.22, "smooth", 0.0),
    "red paint": Material(0.48, 0.05, 0.04, 0.62, "smooth", 0.0),
    "blue paint": Material(0.05, 0.11, 0.36, 0.55, "smooth", 0.0),
    "white paint": Material(0.75, 0.75, 0.74, 0.76, "smooth", 0.0),
    "red flowers": Material(0.50, 0.05, 0.09, 0.58, "leaves", 0.35),
    "yellow flowers": Material(0.66, 0.52, 0.05, 0.64, "leaves", 0.35),
    "hills": Material(0.085, 0.11, 0.085, 0.34, "leaves", 0.30),
    "rock": Material(0.26, 0.24, 0.21, 0.29, "blocks", 0.55),
}
