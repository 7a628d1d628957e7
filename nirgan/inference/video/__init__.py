"""Colorizes videos, with PyAV."""
