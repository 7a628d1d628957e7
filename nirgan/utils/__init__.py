"""Helpers that every other part may use."""
