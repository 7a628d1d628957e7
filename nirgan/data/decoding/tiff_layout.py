"""How the pixels of a TIFF lie in its file."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Stored:
    """Values as they stand in a file.

    Attributes:
        bits: Of one value.
        kind: uint, int or float.
        order: Of bytes, `<` or `>`.
    """

    bits: int
    kind: str
    order: str

    @property
    def name(self) -> str:
        """As messages call it."""
        return f"{self.kind}{self.bits}"

    @property
    def readable(self) -> bool:
        """Whether they become uint8, uint16 or float32."""
        wanted = {"uint": (1, 2, 4, *range(8, 17)), "float": (16, 32, 64)}
        return self.bits in wanted.get(self.kind, ())

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of whole bytes; of packed bits, what they become."""
        size = {"float": self.bits // 8}.get(self.kind, 1 if self.bits <= 8 else 2)
        return np.dtype(f"{self.order}{'f' if self.kind == 'float' else 'u'}{size}")

    @property
    def packed(self) -> bool:
        """Whether values do not fill their bytes."""
        return self.bits % 8 != 0


@dataclass(frozen=True)
class Layout:
    """How pixels lie in a file.

    Attributes:
        width: Of the picture.
        height: Of the picture.
        samples: Channels.
        stored: Their values.
        planes: Whether each channel has its own blocks.
        block_width: Of a strip or tile.
        block_height: Likewise; a strip's last may have fewer rows.
        tiled: Whether blocks are tiles.
        compression: TIFF's number.
        predictor: 1 for none, 2 for differences, 3 for those of floats.
    """

    width: int
    height: int
    samples: int
    stored: Stored
    planes: bool
    block_width: int
    block_height: int
    tiled: bool
    compression: int
    predictor: int

    @property
    def in_block(self) -> int:
        """Channels of a block."""
        return 1 if self.planes else self.samples

    @property
    def row_bytes(self) -> int:
        """Of a block's row."""
        return (self.block_width * self.in_block * self.stored.bits + 7) // 8

    @property
    def block_bytes(self) -> int:
        """Of a block."""
        return self.row_bytes * self.block_height

    @property
    def padded(self) -> tuple[int, int]:
        """Width and height of all blocks."""
        across, down = -(-self.width // self.block_width), -(-self.height // self.block_height)
        return across * self.block_width, down * self.block_height

    @property
    def blocks(self) -> int:
        """Of the picture."""
        width, height = self.padded
        planes = self.samples if self.planes else 1
        return width * height // (self.block_width * self.block_height) * planes

    def corners(self) -> Iterator[tuple[int, int, int]]:
        """Channel, top row and left column of each block."""
        for channel in range(self.samples if self.planes else 1):
            for top in range(0, self.height, self.block_height):
                for left in range(0, self.width, self.block_width):
                    yield channel, top, left
