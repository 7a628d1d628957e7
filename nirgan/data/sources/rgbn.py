"""Rasters of four bands, red, green, blue and near-infrared: aerial and satellite pictures.

Their bands are registered by how they are made, and they are large: NAIP, Sentinel-2, PlanetScope,
orthomosaics of drones. They are cut into tiles, each a pair, which are read from the files as they
are needed (GeoTIFF, or VRT for bands in several files).
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import connected_components

from nirgan.data.scaling import Scale
from nirgan.data.sources.base import Pair, PairSource
from nirgan.data.sources.folder import matches
from nirgan.data.store import PairStore
from nirgan.errors import NirganError, needs_extra
from nirgan.utils.paths import expand_home
from nirgan.utils.rect import Rect

EXTENSIONS = {".tif", ".tiff", ".vrt"}
MIN_TILE_PX = 128
"""Height and width of the smallest tile: two patches of 64."""
ROUNDING_PX = 1e-6
"""Part of a pixel by which places may be off."""


class Rgbn(PairSource):
    """Tiles of rasters of red, green, blue and near-infrared.

    Pixels that are no data (a value says so, a mask, transparency) are in no tile. For
    `across-scenes`, a scene is a place on the ground: rasters that overlap are one.

    Args:
        files: A GeoTIFF or VRT, a folder of them, or a pattern (`naip/**/*.tif`); or a list.
        bands: Numbers, from 1 on, or names of the red, green, blue and near-infrared band, in this
            order; None: those that say what they are, by name or color interpretation.
        scenes: What is kept together: `rasters`, all that overlap; or `blocks` of the ground, for
            few and large rasters, with a gap between them that is in no tile.
        tile: Height and width of a tile in pixels; less at edges and beside holes.
        block: Height and width of a block, in pixels of the first raster.
        gap: Width of the gap between blocks, likewise.
        category: What the pairs are called in tables.
        nir_scale: Which values of the band are black and white: `dtype`, all that their type holds;
            two, `0,10000` of reflectances; `percentile` or `percentile:LOW,HIGH`, of each raster.
            It goes with what is trained, as the default `--scale` of `colorize`.
        rgb_scale: The same for the colors.

    Raises:
        NirganError: A scale or a size is impossible.
    """

    def __init__(
        self,
        files: str | list[str],
        bands: list[int | str] | None = None,
        scenes: Literal["rasters", "blocks"] = "rasters",
        tile: int = 512,
        block: int = 4096,
        gap: int = 256,
        category: str = "ground",
        nir_scale: str = "dtype",
        rgb_scale: str = "dtype",
    ) -> None:
        self.files = [files] if isinstance(files, str) else files
        self.bands, self.scenes, self.category = bands, scenes, category
        self.tile, self.block, self.gap = tile, block, gap
        self.nir_scale, self.rgb_scale = nir_scale, rgb_scale
        self._scales = (
            Scale.parse(nir_scale, "source.nir_scale"),
            Scale.parse(rgb_scale, "source.rgb_scale"),
        )
        if bands is not None and len(bands) != 4:
            raise NirganError(
                f"source.bands has {len(bands)} bands, expected those of red, green, blue and "
                "near-infrared"
            )
        for name, value, least in (
            ("tile", tile, MIN_TILE_PX),
            ("block", block, tile),
            ("gap", gap, 0),
        ):
            if value < least:
                raise NirganError(f"source.{name} is {value} pixels, expected {least} or more")

    def pairs(self) -> list[Pair]:
        """See `PairSource.pairs`."""
        return self.pairs_with(None)

    def pairs_with(self, cache: Path | None) -> list[Pair]:
        """See `PairSource.pairs_with`."""
        with needs_extra("geo", "source.Rgbn"):
            from nirgan.data.rasters.raster import Raster, overlaps  # noqa: PLC0415 (an extra)
            from nirgan.data.rasters.tiles import RasterTile, without_holes  # noqa: PLC0415

        paths = self._paths()
        if not paths:
            return []
        rasters = [Raster(path, self.bands, *self._scales) for path in paths]
        names, pairs = _names(paths), list[Pair]()
        places = [raster.footprint(Rect(0, 0, *raster.shape)) for raster in rasters]
        groups = _connected(list(overlaps(places, places)))
        folder = PairStore(cache).folder
        pixels: dict[str, Sequence[float]] = {}  # of the first raster of each reference system
        for raster, name, group in zip(rasters, names, groups, strict=True):
            system, *grid = raster.grid
            pixel = pixels.setdefault(system, [abs(side) for side in grid[2:]])
            cuts = list(self._split(raster.shape, grid, pixel))
            whole = without_holes(raster, [window for window, _ in cuts], MIN_TILE_PX, folder)
            for window, (_, block) in zip(whole, cuts, strict=True):
                if window is None:
                    continue
                scene = names[group] if self.scenes == "rasters" else f"{system} block {block}"
                key = f"{name}/{window.top}-{window.left}"
                pairs.append(RasterTile(self.category, key, scene, raster=raster, window=window))
        if self.scenes == "blocks" and len(pixels) > 1:
            places = [pair.footprint() for pair in pairs]
            _refuse_shared_ground(pairs, overlaps(places, places))
        return pairs

    def _paths(self) -> list[Path]:
        paths = []
        for text in map(str, map(expand_home, self.files)):
            if "*" in text:
                some = [Path(path) for _, path in matches(text)]
            elif Path(text).is_dir():
                some = [f for f in Path(text).iterdir() if not f.name.startswith(".")]
                some = sorted(f for f in some if f.suffix.lower() in EXTENSIONS)
            else:
                some = [Path(text)]
            if not some:
                raise NirganError(f"source.files: no GeoTIFF or VRT in {text!r}")
            paths += some
        return list(dict.fromkeys(paths))

    def _split(
        self, shape: Sequence[int], grid: Sequence[float], pixel: Sequence[float]
    ) -> Iterator[tuple[Rect, str]]:
        """Tiles of a raster, and the block that each is in.

        The grid is the place of the first pixel and the size of a pixel on the ground, x and y.
        """
        spans = []
        for axis in (1, 0):  # rows are y
            cell, gap = (number * pixel[axis] for number in (self.block, self.gap))
            size, origin, step = shape[1 - axis], grid[axis], grid[2 + axis]
            blocks = self.scenes == "blocks"
            spans.append(
                list(_block_spans(size, origin, step, cell, gap)) if blocks else [(0, 0, size)]
            )
        for (row, *rows), (column, *columns) in product(*spans):
            edges = [_tile_edges(first, last, self.tile) for first, last in (rows, columns)]
            for (top, bottom), (left, right) in product(*map(pairwise, edges)):
                yield Rect(top, left, bottom, right), f"{column} {row}"


def _refuse_shared_ground(tiles: Sequence[Pair], shared: Iterable[npt.NDArray[np.bool_]]) -> None:
    """Refuse blocks that overlap, which rasters in several reference systems may have."""
    for tile, row in zip(tiles, shared, strict=True):
        others = (tiles[n] for n in row.nonzero()[0].tolist())
        if other := next((t for t in others if t.scene != tile.scene), None):
            raise NirganError(
                f"source.scenes is blocks, but {tile.name} and {other.name} show the same ground "
                "in different reference systems; set it to rasters"
            )


def _block_spans(
    size: int, origin: float, step: float, cell: float, gap: float
) -> Iterator[tuple[int, int, int]]:
    """Numbers of the cells of one axis of a raster, and their first and last pixel."""
    ends = sorted((origin, origin + size * step))
    for number in range(math.floor(ends[0] / cell), math.ceil(ends[1] / cell)):
        inside = (number * cell + gap / 2, (number + 1) * cell - gap / 2)
        low, high = sorted((value - origin) / step for value in inside)
        first, last = (
            math.ceil(max(low, 0) - ROUNDING_PX),
            math.floor(min(high, size) + ROUNDING_PX),
        )
        if last - first >= MIN_TILE_PX:
            yield number, first, last


def _tile_edges(first: int, last: int, tile: int) -> list[int]:
    """Where pixels are divided into tiles of about equal size."""
    count = max(1, round((last - first) / tile))
    return [first + (last - first) * n // count for n in range(count + 1)]


def _names(paths: Sequence[Path]) -> list[str]:
    """The names of files without ending, or their paths where several have one name."""
    count = Counter(path.stem for path in paths)
    return [path.stem if count[path.stem] == 1 else path.as_posix() for path in paths]


def _connected(shared: Sequence[npt.NDArray[np.bool_]]) -> list[int]:
    """The number of the first raster that each overlaps with, over any chain of others."""
    _, group = connected_components(np.array(shared))
    first = np.unique(group, return_index=True)[1]
    return list(first[group].tolist())
