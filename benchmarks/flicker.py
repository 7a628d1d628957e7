"""How much a model's colors flicker on a scene in which nothing moves but the sensor's noise.

    python benchmarks/flicker.py picture_nir.png --model default --sigma 1 2 4 --frames 10

The picture is filmed by a camera of 8 bits that does not move, and colorized as a video is. Told
are the mean change from one frame to the next of the band and of the colors, in levels of 255 a
channel; and how far the colors turn, in degrees, where a band does not. Then the camera pans over
the picture, without noise: told is how much the colors of a place change from frame to frame,
where the band does not.
"""

from pathlib import Path

from jsonargparse import ArgumentParser

from nirgan.data.images import read_nir
from nirgan.data.scaling import Scale
from nirgan.evaluation.flicker import flicker, flicker_of_pan, panned, with_noise
from nirgan.inference.load import load
from nirgan.inference.video.temporal_filter import TemporalSmoother


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
