"""Evaluates a finished run: a table with baselines, and a comparison picture."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader

from nirgan.callbacks.throughput import patches_seen
from nirgan.data.datamodule import PatchDataModule
from nirgan.data.datasets import StoredBatch
from nirgan.data.images import signed_to_unit, write_png
from nirgan.evaluation.evaluate import MetricRow, aggregate, cells, judge
from nirgan.evaluation.markdown import lines, table
from nirgan.evaluation.provenance import provenance
from nirgan.networks.generators.baselines import BASELINES
from nirgan.tasks.base import ColorizationTask
from nirgan.utils.atomic_write import write_json, write_text
from nirgan.utils.image_grid import image_grid

COMPARISON_PICTURES = 5
"""Pictures in the comparison."""

BASELINE_REGIONS = 2000
"""Training regions, at most, that the baselines are fitted to, evenly spread."""

NEXT_STEPS = """\
What next:
  a picture        python -m nirgan colorize SHOT --output color --model {run}
  your own pairs   python -m nirgan fit --config conf/own.yaml \\
                     --data.source.nir 'shots/*_nir.png' --data.source.rgb 'shots/*_rgb.png'
  EPFL's scenes    python -m nirgan download, then
                   python -m nirgan fit --config conf/triplet_urban_small_reconstruction.yaml
  a sweep          python -m nirgan sweep sweeps/noise.yaml, or, with an account,
                     wandb sweep sweeps/noise.yaml and wandb agent as it tells"""


def summarize(
    trainer: Trainer, task: ColorizationTask, data: PatchDataModule, name: str, *, whole: bool
) -> None:
    """Evaluate a method and the baselines, print the table and write it.

    `table.md`, `results.json` and `comparison.png` are written beside the logs of the trainer that
    has trained or tested it. It is judged with the weights that it has, in a row of the name, on
    validation patches, or on whole validation regions.
    """
    folder = Path(trainer.log_dir or trainer.default_root_dir)  # asks all ranks
    if not trainer.is_global_zero:
        return
    task.eval().to(trainer.strategy.root_device)  # Lightning has moved it off
    loader = data.validation_regions() if whole else data.validation_patches()
    rows = _rows(task, loader, data, name)
    heading = _heading(data, whole)
    shown = table(lines([{"method": name} | cells(row) for name, row in rows.items()]))
    text = f"{heading}\n\n{shown}\n"
    write_text(folder / "table.md", text)
    write_json(folder / "results.json", _record(trainer, data, rows, heading), indent=1)
    write_png(folder / "comparison.png", _comparison(task, data))
    print(f"\n{text}\nIn {folder}:")
    print("  comparison.png  NIR | output | truth on validation pictures")
    others = ("table.md", "results.json", "metrics.csv", "pictures/", "checkpoints/")
    print(f"  {', '.join(name for name in others if (folder / name).exists())}\n")


def _rows(
    task: ColorizationTask, loader: DataLoader[StoredBatch], data: PatchDataModule, name: str
) -> dict[str, MetricRow]:
    data.snapshot.check()
    baselines = {name: make().to(task.device) for name, make in BASELINES.items()}
    count = len(data.training)
    for number in range(0, count, -(-count // BASELINE_REGIONS)):
        batch = data.region_batch(data.training[number], number)
        for baseline in baselines.values():
            baseline.update(batch["nir"].to(task.device), batch["rgb"].to(task.device))
    methods = {name: task} | baselines
    return {
        name: aggregate(score.sums for score in judge(method, loader, data, task.device))
        for name, method in methods.items()
    }


def _heading(data: PatchDataModule, whole: bool) -> str:
    categories = ", ".join(data.categories)
    fold = f", fold {data.fold}" if data.protocol == "across-scenes" else ""
    what = (
        f"{len(data.validation)} whole validation regions"
        if whole
        else f"{data.val_patches} validation patches a category"
    )
    return f"{categories}: {what}, {data.protocol}{fold}"


def _record(
    trainer: Trainer, data: PatchDataModule, rows: dict[str, MetricRow], heading: str
) -> dict[str, Any]:
    return {
        "heading": heading,
        "protocol": data.protocol,
        "fold": data.fold,
        "categories": data.categories,
        "pairs": len(data.pairs),
        "patches_seen": patches_seen(trainer),
        "rows": rows,
        "seed": data.seed,
        **provenance(trainer.strategy.root_device),
    }


def _comparison(task: ColorizationTask, data: PatchDataModule) -> torch.Tensor:
    count = len(data.validation)
    rows = []
    for number in range(0, count, -(-count // COMPARISON_PICTURES)):
        batch = data.region_batch(data.validation[number], number)
        with torch.inference_mode():
            output = task(batch["triplet"].to(task.device)).cpu()
        rows.append([signed_to_unit(x)[0] for x in (batch["nir"], output, batch["rgb"])])
    return image_grid(rows, largest=256)
