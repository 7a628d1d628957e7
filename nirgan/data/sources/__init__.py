"""Data sets, one per file."""

from nirgan.utils.class_lookup import lazy_classes

__getattr__ = lazy_classes(__name__)
