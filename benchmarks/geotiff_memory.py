"""How much memory a GeoTIFF of any size takes, and how long.

    python benchmarks/geotiff_memory.py --size 20000 --model copy
    python benchmarks/geotiff_memory.py --size 5000 --model default

Makes a raster of size x size pixels of uint16 in a temporary folder, colorizes it in a process of
its own and prints that process' peak of resident memory. `copy` is a network that copies grey: what
is left is reading and writing.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from jsonargparse import ArgumentParser
from rasterio.windows import Window

ROWS = 256


def main() -> None:
    """Print a line of JSON."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=20000, help="pixels, high and wide")
    parser.add_argument("--model", default="copy", help="copy, or what colorize takes")
    parser.add_argument("--tiled", type=bool, default=True, help="tiles of 256, or strips")
    parser.add_argument("--depth", type=int, default=16, help="bits of the colors")
    parser.add_argument("--uncertainty", type=bool, default=False, help="the map too")
    parser.add_argument("--folder", type=Path, help="in which temporary files lie")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source, target = Path(folder) / "nir.tif", Path(folder) / "colors.tif"
        make(source, options.size, options.tiled)
        before = time.perf_counter()
        arguments = [options.model, source, target, options.depth, int(options.uncertainty)]
        program = "import geotiff_memory as m, sys; m.colorize(*sys.argv[1:])"
        subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)],
            check=True,
            cwd=Path(__file__).parent,
        )
        seconds = time.perf_counter() - before
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            json.dumps(
                {
                    **{
                        name: getattr(options, name) for name in ("size", "model", "tiled", "depth")
                    },
                    "uncertainty": options.uncertainty,
                    "peak MiB": round(peak),
                    "seconds": round(seconds, 1),
                    "read MiB": round(source.stat().st_size / 2**20),
                    "written MiB": round(target.stat().st_size / 2**20),
                }
            )
        )


def make(path: Path, size: int, tiled: bool) -> None:
    """Write smooth values with some noise, a few rows at a time; nothing in one corner."""
    layout = {"tiled": True, "blockxsize": 256, "blockysize": 256} if tiled else {"blockysize": 1}
    options = {"compress": "deflate", "predictor": 2, "zlevel": 1, "nodata": 0, **layout}
    noise = np.random.default_rng(0).integers(0, 64, (ROWS, size), dtype=np.uint16)
    columns = np.cos(np.arange(size) / 300)
    with (
        rasterio.Env(GDAL_CACHEMAX=64 * 2**20),
        rasterio.open(
            *(path, "w"),
            **{"driver": "GTiff", "width": size, "height": size, "count": 1, "dtype": "uint16"},
            **{"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 0, 0, -10, 0), **options},
        ) as dataset,
    ):
        for top in range(0, size, ROWS):
            rows = np.arange(top, min(top + ROWS, size))[:, np.newaxis]
            values = 9000 + 4000 * (np.sin(rows / 400) + columns)
            values = values.astype(np.uint16) + noise[: len(rows)]
            values[np.arange(size)[np.newaxis] < size // 8 - rows] = 0
            dataset.write(values, 1, window=Window(0, top, size, len(rows)))


def colorize(model: str, source: str, target: str, depth: str, uncertainty: str) -> None:
    """Colorize, as is measured."""
    import torch  # noqa: PLC0415 (as late as the verb does)

    import nirgan  # noqa: PLC0415
    from nirgan.data.scaling import Scale  # noqa: PLC0415
    from nirgan.inference.colorizer import Colorizer  # noqa: PLC0415
    from nirgan.inference.geotiff.colorize import colorize_geotiff  # noqa: PLC0415

    colorizer = Colorizer(torch.nn.Identity(), tile=1024) if model == "copy" else nirgan.load(model)
    unsure = Path(target).with_name("uncertainty.tif") if int(uncertainty) else None
    colorize_geotiff(
        *(colorizer, Path(source), Path(target), Scale.parse("0,20000")),
        depth=int(depth),
        uncertainty=unsure,
    )


if __name__ == "__main__":
    main()
