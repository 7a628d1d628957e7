"""Networks in plain torch; they know nothing of Lightning or files."""
