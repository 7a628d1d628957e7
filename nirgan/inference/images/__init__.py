"""Reads and writes single pictures."""
