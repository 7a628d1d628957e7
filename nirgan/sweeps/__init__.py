"""Weights & Biases' sweep files, run without its server."""
