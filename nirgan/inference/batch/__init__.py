"""Colorizes many files, with prefetching."""
