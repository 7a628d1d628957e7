"""Decodes picture files into arrays, for training and for inference."""
