"""Losses in plain torch: tensors in, a scalar out."""
