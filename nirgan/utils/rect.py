"""Rectangles of pixels."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Rect:
    """A part of a picture, in pixels: rows `top` to `bottom`, columns `left` to `right`."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def inner(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def shape(self) -> tuple[int, int]:
        """Its height and width."""
        return self.bottom - self.top, self.right - self.left

    def within(self, outer: "Rect") -> tuple[slice, slice]:
        """Its rows and columns, counted from the corner of a part around it."""
        top, left = self.top - outer.top, self.left - outer.left
        return slice(top, top + self.shape[0]), slice(left, left + self.shape[1])

    def grown(self, margin: int) -> "Rect":
        """The rectangle extended by a margin on every side."""
        top, left = self.top - margin, self.left - margin
        return Rect(top, left, self.bottom + margin, self.right + margin)

    def __and__(self, other: "Rect") -> "Rect":
        return Rect(
            max(self.top, other.top),
            max(self.left, other.left),
            min(self.bottom, other.bottom),
            min(self.right, other.right),
        )

    def parts(self, height: int, width: int) -> Iterator["Rect"]:
        """Parts of a given size, row by row; those at the end are smaller."""
        for top in range(self.top, self.bottom, height):
            for left in range(self.left, self.right, width):
                yield Rect(top, left, min(top + height, self.bottom), min(left + width, self.right))
