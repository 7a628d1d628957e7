"""How much a model's colors flicker on a scene in which nothing moves but the sensor's noise.

    python benchmarks/flicker.py picture_nir.png --model default --sigma 1 2 4 --frames 10

The picture is filmed by a camera of 8 bits that does not move, and colorized as a video is. Told
are the mean change from one frame to the next of the band and of the colors, in levels of 255 a
channel; and how far the colors turn, in degrees, where a band does not. Then the camera pans over
the picture, without noise: told is how much the colors of a place change from frame to frame,
where the band does not.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import torch
from jsonargparse import ArgumentParser
from torch import Tensor

from nirgan.data.images import read_nir
from nirgan.data.scaling import Scale
from nirgan.inference.load import load
from nirgan.inference.video.temporal_filter import TemporalSmoother
from nirgan.metrics.functional import angular_error


@dataclass(frozen=True)
class Flicker:
    """Mean changes from one frame to the next, over all pixels."""

    degrees: float  # between the colors as vectors, see `angular_error`; a band has none
    levels: float  # of a channel, of 255


def flicker(frames: Tensor) -> Flicker:
    """Flicker of a scene in which nothing moves, of two frames or more.

    They are T x 3 x H x W colors or T x H x W bands, in [0, 1].
    """
    colors = frames if frames.ndim == 4 else frames.unsqueeze(1).expand(-1, 3, -1, -1)
    before, after = colors[:-1], colors[1:]
    angles, counted = angular_error(after, before)
    return Flicker(
        degrees=angles.sum().item() / max(1, int(counted.sum())),
        levels=(after - before).abs().mean().item() * 255,
    )


def flicker_of_pan(frames: Tensor, step: int) -> Flicker:
    """Flicker at the same place of the scene while a camera pans.

    Each of the frames, T x 3 x H x W colors in [0, 1], shows the scene `step` pixels further right
    than the one before.
    """
    changes = [
        flicker(torch.stack([before[..., step:], after[..., :-step]]))
        for before, after in pairwise(frames)
    ]
    return Flicker(fmean(c.degrees for c in changes), fmean(c.levels for c in changes))


def panned(band: Tensor, step: int, count: int) -> Tensor:
    """What a camera would film that pans over H x W by `step` pixels a frame.

    Returns:
        count x H x (W - step * (count - 1)).
    """
    width = band.shape[1] - step * (count - 1)
    return torch.stack([band[:, step * n : step * n + width] for n in range(count)])


def with_noise(band: Tensor, sigma: float, count: int, seed: int = 0) -> Tensor:
    """What a camera that does not move would film of H x W in [0, 1].

    The sensor's noise is Gaussian, `sigma` its standard deviation in levels, of 255.

    Returns:
        count x H x W in [0, 1], clipped and in whole levels, as a camera of 8 bits gives them.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, *band.shape, generator=generator) * sigma
    return ((band * 255 + noise).round() / 255).clamp(0, 1)


def main() -> None:
    """Film, colorize and compare."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path, help="a near-infrared picture")
    parser.add_argument("--model", type=str, default="default", help="as of colorize")
    parser.add_argument("--sigma", type=float, nargs="+", default=[1.0, 2.0, 4.0], help="levels")
    parser.add_argument("--steps", type=int, nargs="+", default=[4, 16], help="pixels a frame")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--scale", type=str, default="dtype", help="as of colorize")
    options = parser.parse_args()
    colorizer = load(options.model)
    pixels = read_nir(options.picture)
    band = Scale.parse(options.scale).limits(pixels, options.picture).to_unit(pixels)
    print(f"{colorizer.title}, {options.picture.name}, {options.frames} frames\n")
    print("| noise, levels | band, levels | colors, levels | ratio | colors, degrees |")
    print("|---:|---:|---:|---:|---:|")
    for sigma in options.sigma:
        frames = with_noise(band, sigma, options.frames)
        before, after = flicker(frames), flicker(TemporalSmoother(colorizer)(frames))
        ratio = after.levels / before.levels
        print(
            f"| {sigma:g} | {before.levels:.2f} | {after.levels:.2f} | {ratio:.2f} "
            f"| {after.degrees:.2f} |"
        )
    print("\n| pan, pixels a frame | colors, levels | colors, degrees |")
    print("|---:|---:|---:|")
    for step in options.steps:
        frames = panned(band, step, options.frames)
        moved = flicker_of_pan(TemporalSmoother(colorizer)(frames), step)
        print(f"| {step} | {moved.levels:.2f} | {moved.degrees:.2f} |")


if __name__ == "__main__":
    main()
