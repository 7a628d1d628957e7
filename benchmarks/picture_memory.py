"""How much memory a picture takes to be colorized, in bytes a pixel beside a fixed amount.

    python benchmarks/picture_memory.py --output results/speed/picture_memory.json

Makes PNGs of two sizes in a temporary folder, colorizes each in a process of its own and takes its
peak of resident memory; what the larger one needs more is divided by the pixels that it has more.
Once for all of it, and once for coloring and writing alone, of a band that is there already.
"""

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jsonargparse import ArgumentParser


def main() -> None:
    """Print, and write, a line of figures for each depth."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", type=int, nargs=2, default=[4000, 3000], help="pixels")
    parser.add_argument("--large", type=int, nargs=2, default=[12000, 9000], help="pixels")
    parser.add_argument("--model", default="copy", help="copy, or what colorize takes")
    parser.add_argument("--output", type=Path | None, help="a JSON file")
    options = parser.parse_args()
    rows = []
    for depth in (8, 16):
        row = {"depth": depth, "model": options.model, "small": options.small}
        row["large"] = options.large
        for what in ("all", "coloring"):
            small, large = (
                peak(options.model, size, depth, what) for size in (options.small, options.large)
            )
            more = np.prod(options.large) - np.prod(options.small)
            row[f"{what}: peak MiB"] = [round(small / 2**20), round(large / 2**20)]
            row[f"{what}: bytes a pixel"] = round(float((large - small) / more), 1)
        rows.append(row)
        print(json.dumps(row), flush=True)
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1) + "\n")


def peak(model: str, size: Sequence[int], depth: int, what: str) -> int:
    """Bytes of resident memory, at most, of a process that colorizes a picture."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [model, *map(str, size), str(depth), what, folder]
        program = "import picture_memory as m, sys; m.colorize(*sys.argv[1:])"
        if what == "all":
            make(Path(folder) / "nir.png", *size, depth)
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            check=True,
            cwd=Path(__file__).parent,
            stdout=subprocess.PIPE,
        )
    return int(done.stdout.split()[-1])


def band(width: int, height: int, depth: int) -> np.ndarray:
    """Smooth values with some noise, some rows at a time."""
    pixels = np.empty((height, width), f"uint{depth}")
    noise = np.random.default_rng(0).random(width) * 0.1
    columns = np.cos(np.arange(width) / 300) / 4
    for y in range(height):
        unit = 0.45 + np.sin(y / 400) / 5 + columns + np.roll(noise, 7 * y)
        pixels[y] = unit * (2**depth - 1)
    return pixels


def make(path: Path, width: int, height: int, depth: int) -> None:
    """Write a PNG."""
    cv2.imwrite(str(path), band(width, height, depth))


def colorize(model: str, width: str, height: str, depth: str, what: str, folder: str) -> None:
    """What is measured; prints the peak in bytes."""
    import torch  # noqa: PLC0415 (as late as the verb does)

    import nirgan  # noqa: PLC0415
    from nirgan.data.scaling import Limits  # noqa: PLC0415
    from nirgan.inference.batch.jobs import Job  # noqa: PLC0415
    from nirgan.inference.batch.pipeline import Options, run_jobs  # noqa: PLC0415
    from nirgan.inference.colorizer import Colorizer  # noqa: PLC0415
    from nirgan.inference.images.files import NirPicture, write  # noqa: PLC0415

    # Tiles of one size, which free memory would make larger for the larger picture.
    colorizer = (
        Colorizer(torch.nn.Identity(), tile=1024)
        if model == "copy"
        else nirgan.load(model, tile=1024)
    )
    target = Path(folder) / "colors.png"
    if what == "all":
        job = Job(Path(folder) / "nir.png", target, "picture")
        outcome = run_jobs(colorizer, [job], Options(largest=1000))
        assert outcome.done, outcome.problems
    else:
        picture = NirPicture(band(int(width), int(height), int(depth)))
        limits = Limits(0, 2 ** int(depth) - 1)
        rgb = colorizer.colorize_picture(picture, limits, int(depth))
        write(target, rgb, colorizer.title)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    main()
