"""Rasters of red, green, blue and near-infrared (the extra `geo`), and tiles of them as pairs."""
