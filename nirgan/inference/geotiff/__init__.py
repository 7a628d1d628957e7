"""Rasters with a place on Earth, with rasterio."""
