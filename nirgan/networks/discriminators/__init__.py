"""One discriminator a file."""
