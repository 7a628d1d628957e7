"""How fast `colorize` is: the verb beside the network alone and beside a plain loop.

    python benchmarks/colorize.py --pictures 16 --out results/default/speed.json

    python benchmarks/colorize.py --size 4000 3000 --precisions '[fp32]' --pictures 2

A folder of procedural scenes is colorized

1. by the network alone, from memory to memory;
2. by the verb with a network that does nothing: reading and writing alone;
3. by a plain loop: read, colorize, write, the next;
4. by the verb, which reads ahead and writes behind;

in turns, for every engine that there is. Rates are medians over turns, pictures a second. The verb
cannot be faster than the slower of 1 and 2, nor as fast where both need the same cores: `--threads`
leaves the network fewer.
"""

import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import torch
from jsonargparse import ArgumentParser
from torch import nn

from nirgan.data.scaling import Scale
from nirgan.data.sources.synthetic import Synthetic
from nirgan.evaluation.provenance import provenance
from nirgan.inference.batch.jobs import plan_jobs
from nirgan.inference.batch.pipeline import Options, run_jobs
from nirgan.inference.colorizer import Colorizer, Precision
from nirgan.inference.images.files import read, write
from nirgan.inference.load import load
from nirgan.utils.atomic_write import write_json


def make(folder: Path, pictures: int, suffix: str, size: list[int]) -> None:
    """Write NIR pictures of procedural scenes."""
    folder.mkdir(parents=True)
    for number, pair in enumerate(Synthetic().pairs()[:pictures]):
        nir = pair.load()[0]
        cv2.imwrite(str(folder / f"{number}{suffix}"), cv2.resize(nir, size))


def timed(work: Callable[[], Any]) -> float:
    """The seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(colorizer: Colorizer, shots: Path, out: Path, turns: int) -> dict[str, float]:
    """Pictures a second of the three ways, and milliseconds of the network for one."""
    jobs = plan_jobs([str(shots)], out, overwrite=True).jobs
    bands = [read(job.source).band for job in jobs]
    units = [Scale().limits(band, "").to_unit(band)[None] for band in bands]

    def network() -> None:
        for nir in units:
            colorizer.colorize_bands(nir)

    def loop() -> None:
        for job in jobs:
            picture = read(job.source)
            limits = Scale().limits(picture.band, "")
            write(job.target, colorizer.colorize_picture(picture, limits, 8), colorizer.title)

    def verb(colorizer: Colorizer = colorizer) -> None:
        outcome = run_jobs(colorizer, jobs, Options())
        assert len(outcome.done) == len(jobs), outcome.problems

    nothing = Colorizer(nn.Identity(), device="cpu")
    ways = {
        "network": network,
        "coding": partial(verb, nothing),
        "plain loop": loop,
        "verb": verb,
    }
    for warm in (colorizer, nothing):
        warm.colorize_bands(units[0])
    seconds = {name: [] for name in ways}
    for _ in range(turns):
        for name, way in ways.items():
            seconds[name].append(timed(way))
    slower = map(max, seconds["network"], seconds["coding"])
    ratio = [a / b for a, b in zip(slower, seconds["verb"], strict=True)]
    rates = {name: len(jobs) / statistics.median(all_) for name, all_ in seconds.items()}
    return {
        **rates,
        "milliseconds of the network": 1000 / rates["network"],
        "verb of the slower, median of turns": statistics.median(ratio),
        "verb of the slower, least": min(ratio),
        "verb of the slower, most": max(ratio),
    }


def engines(model: str, onnx: str | None, precisions: list[Precision]) -> dict[str, Colorizer]:
    """All that can be timed here."""
    found = {f"CPU, {p}": load(model, device="cpu", precision=p) for p in precisions}
    if onnx is not None:
        found["CPU, onnxruntime"] = load(onnx, device="cpu")
    if torch.cuda.is_available():
        found["GPU, fp32"] = load(model, device="cuda")
        found["GPU, fp16"] = load(model, device="cuda", precision="fp16")
    return found


def main() -> None:
    """Time, print, write."""
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=str, default="default")
    parser.add_argument("--onnx", type=str | None, help="the same model, exported")
    parser.add_argument("--size", type=int, nargs=2, default=[1024, 680], help="width, height")
    parser.add_argument(
        "--precisions", type=list[Precision], default=["fp32", "bf16"], help="of torch on the CPU"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch")
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path | None)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results: dict[str, Any] = {}
    found = engines(options.model, options.onnx, options.precisions)
    with tempfile.TemporaryDirectory() as name:
        for suffix in (".jpg", ".png"):
            shots = Path(name) / f"shots{suffix[1:]}"
            make(shots, options.pictures, suffix, options.size)
            for engine, colorizer in found.items():
                row = compare(colorizer, shots, Path(name) / "out", options.turns)
                results[f"{engine}, {suffix[1:]}"] = row
                print(engine, suffix, {k: round(v, 3) for k, v in row.items()}, flush=True)
    if options.out is not None:
        here = provenance(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10  # which Linux gives
        told = {
            "size": options.size,
            "threads": options.threads,
            "results": results,
            "resident (MiB)": round(resident),
        }
        write_json(options.out, told | {"provenance": here})


if __name__ == "__main__":
    main()
