"""Colorizes GeoTIFFs, with rasterio."""
