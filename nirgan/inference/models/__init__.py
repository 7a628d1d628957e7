"""Trained methods on disk."""
