"""Single pictures: read, written, labelled."""
