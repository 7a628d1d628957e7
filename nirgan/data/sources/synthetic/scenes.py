"""Five kinds of scene, each put together anew from a random generator."""

from itertools import pairwise, product

import numpy as np

from nirgan.data.sources.synthetic.canvas import Canvas, Points
from nirgan.data.sources.synthetic.textures import noise

PLASTERS = ("white plaster", "ochre plaster", "pink plaster")
WALLS = (*PLASTERS, "brick", "sandstone", "limestone", "concrete")
CARS = ("red paint", "blue paint", "white paint", "metal")


def street(c: Canvas) -> None:
    """Facades on both sides of an asphalt road that runs away from the camera."""
    r = c.random
    far, horizon = r.uniform(0.38, 0.62), r.uniform(0.42, 0.5)
    c.sky(c.box(0, 0, 1, 1), r.uniform(0, 0.5))
    c.lay(c.box(0, horizon, 1, 1), "paving", 0.7, 0.8)
    c.lay(c.taper((horizon, far - 0.03, far + 0.03), (1, 0.05, 1)), "asphalt")
    c.lay(c.taper((horizon, far - 0.004, far + 0.004), (1, 0.5, 0.55)), "white paint")
    c.foliage(far, horizon - 0.04, r.uniform(0.07, 0.11), "leaves", 0.4)
    for side in (-1, 1):
        for near, depth in pairwise([0.0, *np.sort(r.uniform(0.12, 0.85, 2)), 1.0]):
            _house_in_perspective(c, side, far, horizon, near, depth)
    for _ in range(r.integers(1, 4)):
        _street_tree(c, far, horizon)
    for _ in range(r.integers(1, 3)):
        _car(c, r.uniform(0.12, 0.75), r.uniform(0.72, 0.9))


def _house_in_perspective(
    c: Canvas, side: int, far: float, horizon: float, near: float, depth: float
) -> None:
    r = c.random
    start = -0.02 if side < 0 else 1.02
    end = far - 0.06 if side < 0 else far + 0.06
    height = r.uniform(0.5, 0.85)

    def at(t: float, level: float) -> tuple[float, float]:
        x = start + (end - start) * t
        size = 1 - 0.86 * t
        return x, horizon + 0.04 + size * (0.22 - level * height)

    def quad(a: float, b: float, low: float, high: float) -> Points:
        return [at(a, low), at(b, low), at(b, high), at(a, high)]

    lit = 0.95 if side > 0 else 0.42  # the sun stands left: the left row is in its own shade
    size = 1 - 0.86 * (near + depth) / 2
    c.lay(c.polygon(quad(near, depth, 0, 1)), str(r.choice(WALLS)), max(0.35, size), lit)
    c.lay(c.polygon(quad(near, depth, 1, 1.08)), str(r.choice(["clay tiles", "slate"])), size, lit)
    floors, windows = int(r.integers(2, 4)), max(1, round((depth - near) * 9))
    for floor in range(floors):
        for number in range(windows):
            step = (depth - near) / windows
            a = near + (number + 0.3) * step
            low = (floor + 0.3) / floors
            c.lay(c.polygon(quad(a, a + 0.4 * step, low, low + 0.5 / floors)), "glass", light=lit)


def _street_tree(c: Canvas, far: float, horizon: float) -> None:
    r = c.random
    x = r.choice([r.uniform(0.02, 0.25), r.uniform(0.75, 0.98)])
    size = max(0.08, 0.3 * abs(x - far))
    ground = horizon + 0.06 + size
    c.shade(c.blot(x + 0.6 * size, ground + 0.03, 1.3 * size, 0.035), 0.85, 2)
    c.lay(c.box(x - 0.008, ground - 1.6 * size, x + 0.008, ground + 0.02), "wood", 0.5, 0.5)
    c.foliage(x, ground - 2.0 * size, size, "leaves", 0.7)


def _car(c: Canvas, x: float, y: float) -> None:
    r = c.random
    w = 0.16 * (y - 0.4) / 0.4
    c.shade(c.box(x - 0.01, y, x + 1.25 * w, y + 0.025), 0.85)
    c.lay(c.box(x, y - 0.38 * w, x + w, y), str(r.choice(CARS)), light=0.8)
    roof, sill = (x + 0.3 * w, x + 0.75 * w), (x + 0.15 * w, x + 0.9 * w)
    c.lay(c.taper((y - 0.66 * w, *roof), (y - 0.38 * w, *sill)), "glass")
    for wheel in (0.12, 0.7):
        tire = c.box(x + wheel * w, y - 0.09 * w, x + (wheel + 0.18) * w, y + 0.05 * w)
        c.lay(tire, "asphalt", light=0.3)


def oldbuilding(c: Canvas) -> None:
    """The front of an old house: stone or brick, a tiled roof, shutters, often ivy."""
    r = c.random
    eaves, ground = r.uniform(0.16, 0.3), r.uniform(0.84, 0.94)
    c.sky(c.box(0, 0, 1, 1), r.uniform(0, 0.45))
    wall = str(r.choice(["sandstone", "limestone", "brick", "ochre plaster", "pink plaster"]))
    left, right = r.uniform(-0.1, 0.12), r.uniform(0.88, 1.1)
    roof = c.taper((eaves - 0.16, left + 0.1, right - 0.1), (eaves, left - 0.04, right + 0.04))
    scale = r.uniform(0.7, 1.2)
    c.lay(c.box(0, ground, 1, 1), str(r.choice(["paving", "gravel", "grass"])), 1, 0.8)
    for x in (left - 0.03, right + 0.03):
        c.foliage(x, r.uniform(0.5, 0.75), r.uniform(0.1, 0.22), "leaves", 0.8)
    c.lay(c.box(left, eaves, right, ground), wall, scale, r.uniform(0.75, 1))
    c.lay(roof, "clay tiles", 1, 0.85)
    c.shade(c.box(left, eaves, right, eaves + 0.03), 0.8)
    columns, floors = int(r.integers(3, 6)), int(r.integers(2, 4))
    shutter = str(r.choice(["green shutter", "wood"]))
    trim = "limestone" if wall != "limestone" else "sandstone"
    w, h = 0.3 * (right - left) / columns, 0.52 * (ground - eaves) / floors
    for column, floor in product(range(columns), range(floors)):
        x = left + (right - left) * (column + 0.5) / columns
        y = eaves + (ground - eaves) * (floor + 0.52) / floors
        _window(c, x, y, w, h, trim, shutter)
    _door(c, left + (right - left) * (int(r.integers(columns)) + 0.5) / columns, ground, trim)
    if r.random() < 0.6:
        _ivy(c, left, right, eaves, ground)
    if r.random() < 0.5:  # the shadow of a neighbor
        reach = r.uniform(0.15, 0.45)
        c.shade(c.polygon([(0, eaves + 0.1), (reach, ground), (reach + 0.1, 1), (0, 1)]), 0.85, 1.5)


def _window(c: Canvas, x: float, y: float, w: float, h: float, trim: str, shutter: str) -> None:
    c.lay(c.box(x - 0.62 * w, y - 0.58 * h, x + 0.62 * w, y + 0.56 * h), trim, 0.8, 0.95)
    c.lay(c.box(x - w / 2, y - h / 2, x + w / 2, y + h / 2), "glass")
    c.lay(c.box(x - 0.02 * w, y - h / 2, x + 0.04 * w, y + h / 2), "white paint", light=0.8)
    c.shade(c.box(x - w / 2, y - h / 2, x + w / 2, y - 0.4 * h), 0.9)
    for edge in (x - 0.98 * w, x + 0.62 * w):
        c.lay(c.box(edge, y - h / 2, edge + 0.36 * w, y + h / 2), shutter, 0.6, 0.9)


def _door(c: Canvas, x: float, ground: float, trim: str) -> None:
    c.lay(c.box(x - 0.055, ground - 0.2, x + 0.055, ground), trim, 0.8, 0.9)
    c.lay(c.box(x - 0.04, ground - 0.18, x + 0.04, ground), "wood", 0.8, 0.7)


def _ivy(c: Canvas, left: float, right: float, eaves: float, ground: float) -> None:
    r = c.random
    middle = r.choice([left + 0.08, right - 0.08]) * c.width
    reach = noise(c.shape, r, 18) * 0.05 + 0.13 + 0.1 * (c.y / c.height - eaves)
    inside = np.abs(c.x - middle) / c.width < reach
    c.lay(inside & c.box(left, eaves + 0.05, right, ground), "ivy", 0.8, 0.8)


def garden(c: Canvas) -> None:
    """Lawn, beds, a path and a hedge before trees, a wall to one side."""
    r = c.random
    horizon = r.uniform(0.34, 0.48)
    c.sky(c.box(0, 0, 1, 1), r.uniform(0, 0.6))
    for x in np.linspace(0, 1, int(r.integers(4, 7))):
        kind = str(r.choice(["leaves", "leaves", "conifer"]))
        middle, y = x + r.normal(0, 0.04), horizon - r.uniform(0.02, 0.12)
        c.foliage(middle, y, r.uniform(0.14, 0.24), kind, 0.7)
    c.lay(c.box(0, horizon, 1, 1), "grass" if r.random() < 0.8 else "dry grass", 1, 0.85)
    if r.random() < 0.6:
        _garden_wall(c, horizon)
    c.lay(c.box(0, horizon - 0.03, r.uniform(0.4, 1), horizon + 0.07), "ivy", 0.7, 0.75)
    a, b = r.uniform(0.1, 0.7), r.uniform(0.3, 0.7)
    path = c.taper((horizon + 0.06, b, b + 0.04), (1, a, a + 0.3))
    c.lay(path, str(r.choice(["gravel", "paving", "soil"])), 0.9, 0.9)
    for _ in range(int(r.integers(2, 5))):
        x, y = r.uniform(0.05, 0.95), r.uniform(horizon + 0.15, 0.95)
        kind = str(r.choice(["red flowers", "yellow flowers", "leaves"]))
        c.shade(c.box(x - 0.03, y + 0.02, x + 0.13, y + 0.06), 0.8, 2)
        c.foliage(x, y, r.uniform(0.05, 0.09), "leaves", 0.8)
        c.foliage(x, y - 0.01, r.uniform(0.03, 0.06), kind, 0.6)
    for _ in range(int(r.integers(1, 3))):
        x, y = r.uniform(0, 1), r.uniform(horizon + 0.12, 0.8)
        c.shade(c.blot(x, y, r.uniform(0.12, 0.3), r.uniform(0.03, 0.08)), 0.85, 2)


def _garden_wall(c: Canvas, horizon: float) -> None:
    r = c.random
    wall = str(r.choice(["brick", "limestone", "white plaster"]))
    left = r.choice([-0.05, 0.55])
    c.lay(c.box(left, horizon - 0.16, left + 0.5, horizon + 0.05), wall, 0.6, 0.9)
    c.lay(c.box(left, horizon - 0.18, left + 0.5, horizon - 0.155), "clay tiles", 0.6)


def water(c: Canvas) -> None:
    """A lake that mirrors its far shore: hills, trees, houses, the sky."""
    r = c.random
    shore = r.uniform(0.42, 0.56)
    c.sky(c.box(0, 0, 1, 1), r.uniform(0, 0.6))
    ridge = noise((1, c.width), r, c.width / 4)[0] * 0.05 + r.uniform(0.1, 0.2)
    hills = (c.y / c.height > shore - ridge) & (c.y / c.height < shore)
    c.lay(hills, "hills", 0.35, 0.75)
    c.haze(hills, r.uniform(0.2, 0.45))
    for _ in range(int(r.integers(1, 4))):
        _lake_house(c, r.uniform(0, 0.9), shore)
    for x in r.uniform(0, 1, int(r.integers(4, 9))):
        c.foliage(x, shore - 0.045, r.uniform(0.05, 0.1), str(r.choice(["leaves", "conifer"])), 0.5)
    c.lay(c.box(0, shore - 0.018, 1, shore), str(r.choice(["rock", "grass"])), 0.4, 0.8)
    end = r.uniform(0.86, 1.05)
    c.mirror(shore, min(end, 1))
    if r.random() < 0.7:
        _boat(c, r.uniform(0.1, 0.75), r.uniform(shore + 0.1, 0.8))
    c.lay(c.box(0, end, 1, 1), str(r.choice(["gravel", "grass", "rock"])), 1, 0.85)


def _lake_house(c: Canvas, x: float, shore: float) -> None:
    r = c.random
    w, h = r.uniform(0.06, 0.14), r.uniform(0.05, 0.09)
    c.lay(c.box(x, shore - h - 0.015, x + w, shore), str(r.choice(PLASTERS)), 0.4, 0.95)
    eaves = shore - h - 0.01
    roof = [(x - 0.01, eaves), (x + w / 2, shore - 1.7 * h - 0.01), (x + w + 0.01, eaves)]
    c.lay(c.polygon(roof), "clay tiles", 0.4, 0.85)
    for number in range(3):
        a = x + w * (0.15 + 0.28 * number)
        c.lay(c.box(a, shore - 0.7 * h, a + 0.12 * w, shore - 0.35 * h), "glass")


def _boat(c: Canvas, x: float, y: float) -> None:
    w = c.random.uniform(0.08, 0.16)
    hull = c.taper((y - 0.03, x, x + w), (y, x + 0.12 * w, x + 0.85 * w))
    c.lay(hull, str(c.random.choice(["white paint", "wood", "blue paint"])), 0.6, 0.85)
    sail = [(x + 0.45 * w, y - 0.035), (x + 0.45 * w, y - 0.2), (x + 0.9 * w, y - 0.045)]
    c.lay(c.polygon(sail), "white paint")


def sky(c: Canvas) -> None:
    """Mostly sky and clouds, over roofs, trees or hills."""
    r = c.random
    skyline = r.uniform(0.66, 0.82)
    c.sky(c.box(0, 0, 1, 1), r.uniform(0.05, 0.75))
    ridge = noise((1, c.width), r, c.width / 3)[0] * 0.03 + 0.07
    hills = c.y / c.height > skyline - ridge
    c.lay(hills, "hills", 0.35, 0.7)
    c.haze(hills, r.uniform(0.3, 0.55))
    c.lay(c.box(0, skyline + 0.05, 1, 1), str(r.choice(["grass", "dry grass", "soil"])), 0.7, 0.85)
    x = -0.05
    while x < 1:
        w = r.uniform(0.12, 0.28)
        if r.random() < 0.5:
            _gable(c, x, w, skyline)
        else:
            kind = str(r.choice(["leaves", "conifer"]))
            c.foliage(x + w / 2, skyline + 0.04, r.uniform(0.09, 0.17), kind, 0.7)
        x += w * r.uniform(0.7, 1.1)


def _gable(c: Canvas, x: float, w: float, skyline: float) -> None:
    r = c.random
    top = skyline - r.uniform(0.0, 0.08)
    c.lay(c.box(x, top, x + w, skyline + 0.2), str(r.choice(WALLS)), 0.6, r.uniform(0.5, 1))
    roof = c.taper((top - 0.1, x + 0.3 * w, x + 0.7 * w), (top + 0.01, x - 0.02, x + w + 0.02))
    c.lay(roof, str(r.choice(["clay tiles", "clay tiles", "slate"])), 0.7, 0.85)
    c.lay(c.box(x + 0.6 * w, top - 0.15, x + 0.68 * w, top - 0.08), "brick", 0.5, 0.8)
    for number in range(2):
        a = x + w * (0.2 + 0.4 * number)
        c.lay(c.box(a, top + 0.05, a + 0.18 * w, top + 0.13), "glass")


SCENES = {scene.__name__: scene for scene in (street, oldbuilding, garden, water, sky)}
