"""Networks in plain torch, independent of Lightning and of files."""
