"""One data set a file."""

from nirgan.utils.rooms import lazy_classes

__getattr__ = lazy_classes(__name__)
