"""Tiles of rasters as pairs, read from their files when asked for.

Nothing is decoded ahead: a tile is a window of a raster without holes, and a patch is read from it
when it is drawn. GDAL keeps the blocks of a file that were read last.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from nirgan.data.images import Pixels
from nirgan.data.rasters.bands import DataMask
from nirgan.data.rasters.raster import Raster
from nirgan.data.sources.base import Footprint, Pair
from nirgan.utils.atomic_write import make_folder, write_json
from nirgan.utils.rect import Rect

CELL_PX = 8
"""Data are looked for in cells of this height and width; a cell with a hole is in no tile."""


@dataclass(frozen=True, kw_only=True)
class RasterTile(Pair):
    """A window of a raster as a pair.

    Attributes:
        raster: The file.
        window: Its part of it.
    """

    raster: Raster
    window: Rect

    def load(self) -> tuple[Pixels, Pixels]:
        """See `Pair.load`."""
        pixels = self.in_place()[:, :]
        return pixels[..., 3], pixels[..., :3]

    def content(self) -> str:
        """See `Pair.content`."""
        return hashlib.sha256(f"{self.raster.content} {self.window}".encode()).hexdigest()

    def in_place(self) -> "TilePixels":
        """See `Pair.in_place`."""
        return TilePixels(self.raster, self.window)

    def footprint(self) -> Footprint | None:
        """See `Pair.footprint`."""
        return self.raster.footprint(self.window)


class TilePixels:
    """The pixels of a tile, H x W x 4, read from its file by slices of rows and of columns."""

    def __init__(self, raster: Raster, window: Rect) -> None:
        self.raster, self.window, self.file = raster, window, raster.path
        self.shape, self.dtype = (*window.shape, 4), raster.dtype

    def __getitem__(self, part: tuple[slice, slice]) -> Pixels:
        """Rows and columns, h x w x 4."""
        rows, columns = (p.indices(side) for p, side in zip(part, self.shape[:2], strict=True))
        top, left = self.window.top, self.window.left
        window = Rect(top + rows[0], left + columns[0], top + rows[1], left + columns[1])
        return self.raster.read(window)[:: rows[2], :: columns[2]]


def without_holes(
    raster: Raster, windows: Sequence[Rect], least: int, cache: Path
) -> list[Rect | None]:
    """The largest rectangle of data in each window of a raster; None if less than `least` pixels.

    If a raster may have holes, all of it is read once; what was found is kept in a folder.
    """
    if not raster.bands.holes:
        return list(windows)
    what = f"{raster.content} {windows} {CELL_PX} {least}"
    file = cache / f"{hashlib.sha256(what.encode()).hexdigest()}.tiles.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        kept = [window and Rect(*window) for window in found]
    except (OSError, ValueError):
        progress = tqdm(windows, desc=f"looking for holes in {raster.path.name}", unit="tile")
        kept = [_largest_without_holes(raster, window, least) for window in progress]
        make_folder(cache, "set data.store or NIRGAN_CACHE")
        write_json(file, [window and astuple(window) for window in kept])
    return kept


def _largest_without_holes(raster: Raster, window: Rect, least: int) -> Rect | None:
    valid = raster.bands.data(window)
    if valid.all():
        return window
    high, wide = (side // CELL_PX for side in window.shape)
    cells = valid[: high * CELL_PX, : wide * CELL_PX]
    cells = np.asarray(cells.reshape(high, CELL_PX, wide, CELL_PX).all((1, 3)))
    found = largest_rectangle(cells)
    if min(found.shape) * CELL_PX < least:
        return None
    down, right, end, last = (side * CELL_PX for side in astuple(found))
    top, left = window.top, window.left
    return Rect(top + down, left + right, top + end, left + last)


def largest_rectangle(cells: DataMask) -> Rect:
    """The largest rectangle of true cells, H x W."""
    best, area, above = Rect(0, 0, 0, 0), 0, np.zeros(cells.shape[1], np.int64)
    for row, line in enumerate(cells):
        above = np.where(line, above + 1, 0)
        stack: list[tuple[int, int]] = []  # where rectangles begin, and how high they are
        for column, height in enumerate([*above.tolist(), 0]):
            begin = column
            while stack and stack[-1][1] >= height:
                begin, tall = stack.pop()
                if tall * (column - begin) > area:
                    best = Rect(row - tall + 1, begin, row + 1, column)
                    area = tall * (column - begin)
            stack.append((begin, height))
    return best
