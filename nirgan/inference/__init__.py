"""A trained method on pictures of any size: load, tile, read, write, export."""
