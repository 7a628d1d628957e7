"""Data, from files over a store of decoded pairs to batches."""

from nirgan.utils.class_lookup import lazy_classes

__getattr__ = lazy_classes(__name__)
