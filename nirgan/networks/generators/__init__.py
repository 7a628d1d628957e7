"""One published generator a file."""
