"""Patterns: what lets a material be told from another of the same NIR brightness."""

from collections.abc import Callable
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[Any]
"""One float32 for every pixel."""

Random = np.random.Generator


def noise(shape: tuple[int, int], random: Random, cell: float, stretch: float = 1.0) -> Field:
    """Smooth noise, mean 0 and standard deviation 1.

    Args:
        shape: Height and width.
        random: Where it is drawn from.
        cell: Size of its features in pixels.
        stretch: How many times wider than high they are.
    """
    coarse = max(3, round(shape[0] / cell)), max(3, round(shape[1] / (cell * stretch)))
    field = cv2.resize(
        random.standard_normal(coarse, np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC
    )
    return _standard(field)


def clouds(shape: tuple[int, int], random: Random, cell: float, stretch: float = 1.0) -> Field:
    """Fractal noise: four octaves, each of half the size and strength of the one before."""
    octaves = [noise(shape, random, cell / 2**i, stretch) / 2**i for i in range(4)]
    return _standard(np.stack(octaves).sum(0, dtype=np.float32))


def _standard(field: Field) -> Field:
    return cast(Field, (field - field.mean()) / (field.std() + 1e-6))


def _leaves(shape: tuple[int, int], random: Random, scale: float) -> Field:
    clumps = noise(shape, random, 14 * scale) * 0.45
    leaves = np.tanh(2.0 * noise(shape, random, max(2.2, 4 * scale)))
    return 0.6 * clumps + 0.65 * leaves


def _grass(shape: tuple[int, int], random: Random, scale: float) -> Field:
    blades = noise(shape, random, max(2.5, 6 * scale), stretch=0.3)
    return 0.5 * np.tanh(blades) + 0.35 * noise(shape, random, 25 * scale)


def _courses(
    shape: tuple[int, int], random: Random, height: float, width: float, spread: float
) -> Field:
    y, x = np.mgrid[: shape[0], : shape[1]]
    course = (y // height).astype(int)
    place = x + np.where(course % 2, width / 2, 0.0)
    column = (place // width).astype(int)
    tones = random.standard_normal((course.max() + 1, column.max() + 1), np.float32) * spread
    field: Field = tones[course, column]
    field[(y % height < 1) | (place % width < 1)] = 0.9  # light mortar
    return field


def _blocks(shape: tuple[int, int], random: Random, scale: float) -> Field:
    field = -_courses(shape, random, max(9, 17 * scale), max(16, 34 * scale), 0.30)  # dark joints
    return field + 0.25 * noise(shape, random, 5)


def _tiles(shape: tuple[int, int], random: Random, scale: float) -> Field:
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    row, width = max(5.0, 8 * scale), max(4.0, 6 * scale)
    round_ = np.abs(np.sin(np.pi * x / width)) - 0.6
    step = (y % row) / row - 0.5
    field: Field = 0.7 * round_ + 0.7 * step + 0.25 * noise(shape, random, 9)
    return field


def _grain(shape: tuple[int, int], random: Random, scale: float) -> Field:
    fine = random.standard_normal(shape, np.float32) * 0.45
    return cv2.GaussianBlur(fine, (0, 0), 0.6) * 1.5 + 0.25 * noise(shape, random, 40)


def _stains(shape: tuple[int, int], random: Random, scale: float) -> Field:
    streaks = noise(shape, random, 30 * scale, stretch=0.35)
    return 0.35 * streaks + 0.3 * clouds(shape, random, 45 * scale)


def _boards(shape: tuple[int, int], random: Random, scale: float) -> Field:
    width = max(4, round(7 * scale))
    columns = np.arange(shape[1]) // width
    tones = random.standard_normal(columns.max() + 1).astype(np.float32)[columns] * 0.4
    field = np.tile(tones, (shape[0], 1))
    field[:, np.arange(shape[1]) % width == 0] = -0.9
    return field + 0.25 * noise(shape, random, 12, stretch=0.15)


PATTERNS: dict[str, Callable[[tuple[int, int], Random, float], Field]] = {
    "leaves": _leaves,
    "grass": _grass,
    "bricks": lambda shape, random, scale: _courses(
        shape, random, max(4, 6 * scale), max(9, 15 * scale), 0.45
    ),
    "blocks": _blocks,
    "tiles": _tiles,
    "grain": _grain,
    "stains": _stains,
    "boards": _boards,
    "smooth": lambda shape, random, scale: np.zeros(shape, np.float32),
}
"""Made of height and width, what is random, and a scale: 1 for a close look, smaller for things far
away. Mean about 0, from about -1 to 1."""
