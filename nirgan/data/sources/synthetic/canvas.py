"""A scene in the making: surfaces laid over each other, then light, then a camera."""

import cv2
import numpy as np
import numpy.typing as npt

from nirgan.data.sources.synthetic.materials import MATERIALS
from nirgan.data.sources.synthetic.textures import PATTERNS, Field, Random, clouds, noise

Mask = npt.NDArray[np.bool_]
Points = list[tuple[float, float]]
Edge = tuple[float, float, float]
"""Height, left and right end, in parts of height and width."""

SUN = np.array([1.00, 0.95, 0.86, 1.00], np.float32)
"""Sunlight in red, green, blue, NIR."""
SKYLIGHT = np.array([0.14, 0.19, 0.28, 0.06], np.float32)
"""Light of the blue sky, all that there is in a shadow; the sky has little NIR."""
ZENITH = np.array([0.16, 0.32, 0.66, 0.07], np.float32)
HORIZON = np.array([0.52, 0.62, 0.76, 0.26], np.float32)
CLOUD = np.array([0.90, 0.91, 0.93, 0.84], np.float32)
HAZE = np.array([0.50, 0.58, 0.68, 0.30], np.float32)

TINT = 0.025
"""Standard deviation of each band from the table's value, from one surface to the next."""


class Canvas:
    """Reflectance and light of every pixel, in red, green, blue and NIR.

    Args:
        shape: Height and width in pixels.
        random: Where all that is random is drawn from.
    """

    def __init__(self, shape: tuple[int, int], random: Random) -> None:
        self.shape, self.random = shape, random
        self.height, self.width = shape
        self.reflectance = np.zeros((*shape, 4), np.float32)
        self.light = np.ones(shape, np.float32)  # of the sun: shading and shadow
        self.glow = np.zeros((*shape, 4), np.float32)  # what sends light itself: the sky
        self.y, self.x = np.mgrid[: self.height, : self.width].astype(np.float32)

    def polygon(self, points: Points) -> Mask:
        """The pixels inside, from corners (x, y) in parts of width and height."""
        corners = np.array([(x * self.width, y * self.height) for x, y in points])
        mask = np.zeros(self.shape, np.uint8)
        cv2.fillPoly(mask, [corners.round().astype(np.int32)], 1)
        return mask.astype(bool)

    def box(self, left: float, top: float, right: float, bottom: float) -> Mask:
        """The pixels of a rectangle, in parts of width and height."""
        return self.taper((top, left, right), (bottom, left, right))

    def taper(self, top: Edge, bottom: Edge) -> Mask:
        """The pixels between two level edges."""
        (y, left, right), (low, low_left, low_right) = top, bottom
        return self.polygon([(left, y), (right, y), (low_right, low), (low_left, low)])

    def lay(self, mask: Mask, name: str, scale: float = 1.0, light: float | Field = 1.0) -> None:
        """Cover pixels with a material.

        Args:
            mask: Which ones.
            name: A key of `MATERIALS`.
            scale: Of its texture.
            light: How squarely the sun falls on it, 0 to 1.
        """
        if not mask.any():
            return
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        inside = mask[window]
        material = MATERIALS[name]
        base = np.array(material[:4], np.float32) * self.random.normal(1, 0.08)
        base *= self.random.normal(1, TINT, 4).astype(np.float32)
        pattern = PATTERNS[material.texture](inside.shape, self.random, scale)
        field = np.clip(1 + material.contrast * pattern, 0.12, 1.9)
        self.reflectance[window][inside] = (base * field[..., None])[inside]
        level = np.broadcast_to(np.float32(light), self.shape)[window]
        self.light[window][inside] = level[inside]
        self.glow[window][inside] = 0

    def sky(self, mask: Mask, cover: float) -> None:
        """A sky with clouds, bluer and darker in NIR towards the zenith.

        Args:
            mask: Which pixels.
            cover: Share of it that is cloudy, 0 to 1.
        """
        height = (1 - self.y / (0.75 * self.height)).clip(0, 1)[..., None] ** 0.8
        clear = HORIZON + (ZENITH - HORIZON) * height
        veil = clouds(self.shape, self.random, self.width / 4, stretch=2.2)
        edge = np.quantile(veil, 1 - cover) if cover > 0 else veil.max() + 1
        opacity = (1 / (1 + np.exp(-3.0 * (veil - edge))))[..., None] * min(1.0, 2.5 * cover)
        shaded = CLOUD * (1 - 0.12 * np.tanh(veil - edge - 0.6).clip(0))[..., None]
        self.glow[mask] = (clear + (shaded - clear) * opacity)[mask]
        self.reflectance[mask] = 0

    def foliage(self, x: float, y: float, radius: float, name: str, scale: float = 1.0) -> None:
        """A round crown of leaves: clumps, lit from above left, holes at the rim.

        Args:
            x: Its middle, in parts of the width.
            y: The same, in parts of the height.
            radius: In parts of the height.
            name: The material of its leaves.
            scale: Of the leaves.
        """
        cx, cy, r = x * self.width, y * self.height, radius * self.height
        rough = noise(self.shape, self.random, max(4, r / 3)) * 0.16
        fine = noise(self.shape, self.random, max(2, 5 * scale)) * 0.06
        dx, dy = (self.x - cx) / r, (self.y - cy) / r
        inside = np.hypot(dx, dy) + rough + fine < 0.85
        bumps = noise(self.shape, self.random, max(4, r / 2.5)) * 0.22
        light = (0.58 - 0.28 * dx - 0.42 * dy + bumps).clip(0.08, 1)
        self.lay(inside, name, scale, light)

    def blot(self, x: float, y: float, width: float, height: float) -> Mask:
        """A ragged ellipse: the shadow of a tree. All in parts of width and height."""
        dx, dy = (self.x / self.width - x) / width, (self.y / self.height - y) / height
        inside: Mask = np.hypot(dx, dy) + noise(self.shape, self.random, 9) * 0.12 < 1
        return inside

    def shade(self, mask: Mask, strength: float = 1.0, blur: float = 1.2) -> None:
        """Take the sun away from pixels: a cast shadow with a soft edge."""
        soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), blur)
        self.light *= 1 - strength * soft

    def haze(self, mask: Mask, amount: float) -> None:
        """Air between the camera and things far away, from 0 (none) to 1."""
        air = HAZE * amount
        self.reflectance[mask] *= 1 - amount
        self.glow[mask] = self.glow[mask] * (1 - amount) + air

    def mirror(self, line: float, bottom: float) -> None:
        """Water from `line` down to `bottom`, in parts of the height: it mirrors what is above."""
        top, end = round(line * self.height), round(bottom * self.height)
        rows = np.arange(top, end)
        depth = (rows - top) / max(1, self.height - top)
        waves = noise((len(rows), self.width), self.random, 4, stretch=5)
        source = (top - 1 - (rows - top) * 1.15)[:, None] + waves * (1 + 7 * depth[:, None])
        source = np.abs(source).clip(0, top - 1).round().astype(int)
        above = self._radiance()[source, np.arange(self.width)]
        # Fresnel: steeply looked into, near the camera, water mirrors little and is dark in NIR.
        share = (0.62 - 0.42 * depth)[:, None, None] * (1 + 0.22 * waves[..., None])
        body = np.array([0.030, 0.060, 0.060, 0.006], np.float32)
        self.glow[top:end] = above * share + body
        self.reflectance[top:end] = 0

    def photograph(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Expose: NIR H x W and RGB H x W x 3, 8-bit, gamma 2.2."""
        warmth = self.random.normal(0, 0.03)
        tone = np.array([1 + warmth, 1, 1 - warmth, 1 + warmth / 2], np.float32)
        radiance = cv2.GaussianBlur(self._radiance() * tone, (0, 0), 0.55)
        exposure = np.array([1.25, 1.25, 1.25, 1.15], np.float32) * self.random.normal(1, 0.05)
        signal = radiance * exposure
        grain = self.random.standard_normal(signal.shape, np.float32)
        signal = signal + grain * np.sqrt(2e-5 + 1.5e-4 * signal.clip(0))  # read and shot noise
        values = (signal.clip(0, 1) ** (1 / 2.2) * 255).round().astype(np.uint8)
        return np.ascontiguousarray(values[..., 3]), np.ascontiguousarray(values[..., :3])

    def _radiance(self) -> Field:
        light: Field = self.reflectance * (SUN * self.light[..., None] + SKYLIGHT) + self.glow
        return light
