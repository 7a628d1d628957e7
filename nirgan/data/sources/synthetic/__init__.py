"""Procedural scenes: any number of pairs, without a download.

Streets, old buildings, gardens, lakes and skies, put together from materials whose reflectance in
red, green, blue and NIR follows published spectra (`materials`), with texture, shading, cast
shadows, haze, mirror images and sensor noise. As in reality, the color of a material can be learned
from its brightness in NIR and its texture, except that of paint.
"""

import hashlib
import zlib
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from pathlib import Path

import numpy as np

from nirgan.data.images import Pixels
from nirgan.data.sources.base import Pair, PairSource
from nirgan.data.sources.synthetic.canvas import Canvas
from nirgan.data.sources.synthetic.scenes import SCENES
from nirgan.errors import NirganError
from nirgan.utils.nearest_name import did_you_mean

MIN_SIDE_PX = 64


@dataclass(frozen=True)
class SyntheticPair(Pair):
    """A scene, which is drawn when it is loaded.

    Attributes:
        size: Height and width in pixels.
        seed: Seed of the data set.
    """

    size: tuple[int, int] = (256, 256)
    seed: int = 0

    def load(self) -> tuple[Pixels, Pixels]:
        """See `Pair.load`; 8-bit."""
        word = [self.seed, zlib.crc32(self.category.encode()), int(self.id)]
        canvas = Canvas(self.size, np.random.default_rng(word))
        SCENES[self.category](canvas)
        return canvas.photograph()

    def content(self) -> str:
        """See `Pair.content`: the parameters, and the code that draws."""
        what = f"{_code()} {self.name} {self.size} {self.seed}"
        return hashlib.sha256(what.encode()).hexdigest()


class Synthetic(PairSource):
    """A data set of procedural scenes.

    Args:
        count: Number of scenes; categories take turns.
        size: Height and width in pixels, at least 64 each.
        categories: Some of street, oldbuilding, garden, water, sky; None: all.
        seed: Determines the scenes.
    """

    def __init__(
        self,
        count: int = 50,
        size: tuple[int, int] = (256, 256),
        categories: list[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.categories = categories if categories is not None else list(SCENES)
        for category in self.categories:
            if category not in SCENES:
                raise NirganError(
                    f"source.categories: no category {category!r}{did_you_mean(category, SCENES)}"
                )
        if min(size) < MIN_SIDE_PX:
            raise NirganError(f"source.size is {size}; scenes need {MIN_SIDE_PX} pixels each way")
        self.count, self.size, self.seed = count, size, seed

    def pairs(self) -> list[Pair]:
        """See `PairSource.pairs`; every picture is a scene of its own, and folds take turns."""
        pairs: list[Pair] = []
        for number, category in zip(range(self.count), cycle(self.categories), strict=False):
            turn = number // len(self.categories)
            id_ = f"{turn:04d}"
            scene = f"{category}/{id_}"
            pairs.append(SyntheticPair(category, id_, scene, turn % 5, self.size, self.seed))
        return pairs


@cache
def _code() -> str:
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
