"""Blocks of a raster, put together from windows that know nothing of blocks."""

from collections.abc import Callable
from itertools import product

import numpy as np
import numpy.typing as npt

from nirgan.data.images import Pixels
from nirgan.inference.tiling import Rect


class BlockBuffer:
    """Hands every block on when all of it is there, so that it is compressed once.

    What is in memory is what windows have begun and not completed: about one row of blocks.

    Args:
        height: Of the raster.
        width: Likewise.
        shape: Height and width of a block; those at the raster's end are smaller.
        channels: Of the windows.
        dtype: Likewise.
        complete: Takes a block, and its pixels, channels x h x w.
    """

    def __init__(
        self,
        height: int,
        width: int,
        shape: tuple[int, int],
        channels: int,
        dtype: npt.DTypeLike,
        complete: Callable[[Rect, Pixels], None],
    ) -> None:
        self._height, self._width, self._shape = height, width, shape
        self._channels, self._dtype, self._complete = channels, dtype, complete
        self._begun: dict[Rect, tuple[Pixels, int]] = {}

    def add(self, window: Rect, pixels: Pixels) -> None:
        """Take a window; together they cover the raster once, beginning with its first pixel.

        Args:
            window: The part of the raster.
            pixels: channels x h x w.
        """
        if (window.top, window.left) == (0, 0):
            self._begun.clear()  # all over again, in smaller windows
        high, wide = self._shape
        tops = range(window.top // high * high, window.bottom, high)
        lefts = range(window.left // wide * wide, window.right, wide)
        for top, left in product(tops, lefts):
            block = Rect(top, left, min(top + high, self._height), min(left + wide, self._width))
            self._put(block, window, pixels)

    def _put(self, block: Rect, window: Rect, pixels: Pixels) -> None:
        top, bottom = max(block.top, window.top), min(block.bottom, window.bottom)
        left, right = max(block.left, window.left), min(block.right, window.right)
        part = pixels[
            :, top - window.top : bottom - window.top, left - window.left : right - window.left
        ]
        size = (block.bottom - block.top, block.right - block.left)
        whole, missing = self._begun.pop(block, (None, size[0] * size[1]))
        missing -= part[0].size
        if whole is None:
            if not missing:
                self._complete(block, np.ascontiguousarray(part))
                return
            whole = np.empty((self._channels, *size), self._dtype)
        whole[:, top - block.top : bottom - block.top, left - block.left : right - block.left] = (
            part
        )
        if missing:
            self._begun[block] = whole, missing
        else:
            self._complete(block, whole)
