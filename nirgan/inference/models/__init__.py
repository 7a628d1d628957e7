"""Trained methods on disk and on the hub."""
