"""Procedural scenes, made by the project: no download, any number of them.

Streets, old buildings, gardens, lakes and skies, put together from materials whose reflectance in
red, green, blue and NIR follows published spectra (`materials`), with texture, shading, cast
shadows, haze, mirror images and sensor noise. As in the world, a material shows in how bright it is
in NIR and in its texture, and its color must be learned from that; paint stays a guess.
"""

import hashlib
import zlib
from dataclasses import dataclass
from functools import cache
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
    """A scene, drawn when it is loaded.

    Attributes:
        size: Height and width in pixels.
        seed: Of the data set.
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
    """Scenes, as many as are asked for.

    Args:
        count: Scenes in all, dealt over the categories in turn.
        size: Height and width in pixels, at least 64 each.
        categories: Some of street, oldbuilding, garden, water, sky; None: all.
        seed: Another one gives other scenes.
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
        """See `PairSource.pairs`; every picture is a scene of its own, the folds take turns."""
        kinds = len(self.categories)
        return [
            SyntheticPair(
                category=self.categories[number % kinds],
                id=f"{number // kinds:04d}",
                scene=f"{self.categories[number % kinds]}/{number // kinds:04d}",
                fold=number // kinds % 5,
                size=self.size,
                seed=self.seed,
            )
            for number in range(self.count)
        ]


@cache
def _code() -> str:
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
