"""Losses in plain torch: tensors in, a scalar out."""

from nirgan.utils.class_lookup import lazy_classes

__getattr__ = lazy_classes(__name__)
