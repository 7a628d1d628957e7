"""Files to pairs, to a decoded store, to patches, to batches."""

from nirgan.utils.class_lookup import lazy_classes

__getattr__ = lazy_classes(__name__)
