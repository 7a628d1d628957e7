"""Methods: how each is trained and judged."""
