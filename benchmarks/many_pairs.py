"""What many small pairs cost: checking and storing them, starting on them, resuming, two ranks.

    python benchmarks/many_pairs.py --folder FOLDER --count 100000 \
        --results results/speed/many_pairs.json

Makes pairs of 64 to 128 pixels, parts of the project's procedural scenes, where the folder has
none, and adds a row to the results. Every figure is of a process of its own; seconds leave the
imports out, but those of the two ranks.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import torch
from jsonargparse import auto_cli

from nirgan.cli.main import main as nirgan
from nirgan.data.datamodule import PatchDataModule
from nirgan.data.sources.folder import Folder
from nirgan.data.sources.synthetic import Synthetic
from nirgan.evaluation.provenance import provenance
from nirgan.utils.atomic_write import write_json

BATCHES, BATCH = 200, 16


def make(folder: Path, count: int) -> None:
    """Write pairs that the folder lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    scenes = [pair.load() for pair in Synthetic(count=50, size=(340, 512)).pairs()]
    for number in range(count):
        file = folder / f"{number:06}_rgb.png"
        if file.is_file():
            continue
        rng = np.random.default_rng(number)
        nir, rgb = scenes[number % len(scenes)]
        height, width = rng.integers(64, 129, 2)
        top, left = rng.integers(340 - height), rng.integers(512 - width)
        part = np.s_[top : top + height, left : left + width]
        cv2.imwrite(str(folder / f"{number:06}_nir.png"), nir[part])
        cv2.imwrite(str(file), rgb[part][..., ::-1])


def data_of(folder: Path) -> PatchDataModule:
    """The data module of the pairs."""
    source = Folder(str(folder / "*_nir.png"), str(folder / "*_rgb.png"))
    return PatchDataModule(source, "across-scenes", train_patches=100_000, batch_size=BATCH)


def check(folder: Path) -> dict[str, float]:
    """Time the verb `check`."""
    options = [f"--source.nir={folder}/*_nir.png", f"--source.rgb={folder}/*_rgb.png"]
    return {"seconds": timed(lambda: nirgan(["check", "--source=Folder", *options]))}


def build(folder: Path) -> dict[str, float]:
    """Time the decoding into the store."""
    return {"seconds": timed(data_of(folder).prepare_data)}


def start(folder: Path, done: int = 0) -> dict[str, float]:
    """From a built store to the first batch of a run, which may go on in the middle of an epoch."""
    before, data = memory(), data_of(folder)
    figures = {
        "prepare_data": timed(data.prepare_data),
        "setup": timed(lambda: data.setup("fit")),
    }
    progress = SimpleNamespace(current=SimpleNamespace(ready=1, processed=0))
    batches = SimpleNamespace(
        batch_progress=SimpleNamespace(current=SimpleNamespace(processed=done))
    )
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        fit_loop=SimpleNamespace(epoch_progress=progress, epoch_loop=batches),
        global_rank=0,
        world_size=1,
        lightning_module=None,
        training=True,
    )
    batch = iter(())

    def first() -> None:
        nonlocal batch
        batch = iter(data.train_dataloader())
        next(batch)

    figures["first batch"] = timed(first)
    figures["seconds"] = sum(figures.values())
    figures["ms a batch"] = 1000 * timed(lambda: [next(batch) for _ in range(BATCHES)]) / BATCHES
    figures["ms of looking for damage"] = 1000 * timed(
        lambda: (data.snapshot.warn_changes(), data.snapshot.damage())
    )
    figures["state MB"] = len(json.dumps(data.state_dict())) / 1e6
    figures["memory MB"] = (memory() - before) / 1e6
    return figures


def resumed(folder: Path) -> dict[str, float]:
    """Likewise, in the middle of an epoch."""
    return start(folder, 3000)


def ranks(folder: Path) -> dict[str, float]:
    """Ten batches of training and of validation on two ranks, with all imports."""
    data = [f"--data.source.nir={folder}/*_nir.png", f"--data.source.rgb={folder}/*_rgb.png"]
    options = [
        *("--data.patch=64", "--data.val_patches=32", f"--data.batch_size={BATCH}"),
        *("--data.protocol=across-scenes", "--trainer.fast_dev_run=10"),
        *("--trainer.devices=2", "--trainer.strategy=ddp", "--trainer.accelerator=cpu"),
    ]
    command = [sys.executable, "-m", "nirgan", "fit", "--config=conf/own.yaml", *data, *options]
    return {"seconds": timed(lambda: subprocess.run(command, check=True))}


def timed(what: Callable[[], object]) -> float:
    """The seconds that a call takes."""
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def memory() -> int:
    """Bytes that this process has written to or read, without mapped files."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


def main(
    folder: Path,
    count: int,
    results: Path,
    steps: tuple[str, ...] = ("check", "build", "start", "resumed", "ranks"),
) -> None:
    """Measure, and add a row.

    Args:
        folder: Of the pairs, and, in `store`, of what is decoded.
        count: Pairs.
        results: A JSON file.
        steps: What is measured.
    """
    torch.set_num_threads(1)
    pairs = folder / f"{count}-pairs"
    make(pairs, count)
    row: dict[str, Any] = {"pairs": count}
    for step in steps:
        many = 2 if step == "build" else 1
        row[step] = figures = in_processes(step, pairs, folder / f"{count}-store", many)
        print(step, json.dumps(figures), flush=True)
    rows = json.loads(results.read_text()) if results.is_file() else []
    write_json(results, [*rows, row | provenance(torch.device("cpu"))], indent=1)


def in_processes(step: str, pairs: Path, store: Path, many: int) -> Any:
    """The figures of a step in a process of its own, or of several at once."""
    call = f"m.{step}(pathlib.Path(sys.argv[1]))"
    program = f"import many_pairs as m, json, pathlib, sys; print(json.dumps({call}))"
    environment = os.environ | {"NIRGAN_CACHE": str(store), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), str(Path(__file__).parent)])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, pairs],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(many)
    ]
    said = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit(f"{step} has failed")
    figures = [json.loads(text.splitlines()[-1]) for text in said]
    return figures[0] if many == 1 else figures


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
