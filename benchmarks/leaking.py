"""How much lower is the error on pictures that a network was trained on?

    NIRGAN_DATA=... python benchmarks/leaking.py --suite runs/table1_small \
        --results results/table1/leaking.json

The publication does not say that what it judges was kept out of training. Here every network of a
suite's `across-scenes` judges all pictures, whole: those of the scenes that it does not know, and
those that it was trained on. Over the folds, each picture counts once in the one way, and as the
networks of all other folds see it in the other.
"""

import json
import shlex
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from jsonargparse import auto_cli

from nirgan.callbacks.checkpoint_io import newest_complete
from nirgan.evaluation.evaluate import aggregate, cells, judge
from nirgan.evaluation.provenance import provenance
from nirgan.evaluation.statistics import differences
from nirgan.experiment.lightning_cli import ExperimentCLI, run
from nirgan.utils.atomic_write import write_json
from nirgan.utils.lightning_internals import WithoutRun
from nirgan.utils.safe_loading import load_checkpoint

Images = list[dict[str, Any]]
CPU = torch.device("cpu")
APART, TRAINED_ON = "apart", "trained on"


class Built(WithoutRun, ExperimentCLI):
    """Builds the data and the network of a run."""


def judged(command: str, checkpoint: Path) -> Iterator[tuple[str, Images]]:
    """What a run's network makes of scenes kept apart, and of those that it was trained on."""
    arguments = shlex.split(command)[4:]  # after `python -m nirgan fit`
    with TemporaryDirectory() as folder:
        cli = run("fit", [*arguments, f"--trainer.default_root_dir={folder}"], Built)
    cli.model.load_state_dict(load_checkpoint(checkpoint)["state_dict"])
    network, data = cli.model.eval(), cli.datamodule
    data.prepare_data()
    data.setup()
    scenes = {pair.name: pair.scene for pair in data.pairs}
    pictures = {APART: data.validation_regions(), TRAINED_ON: data.training_regions()}
    for what, loader in pictures.items():
        scores = judge(network, loader, data, CPU)
        yield what, [asdict(s) | {"scene": scenes[s.name]} for s in scores]


def main(suite: Path, results: Path) -> None:
    """Judge every network.

    Args:
        suite: The folder of a finished benchmark, with its checkpoints.
        results: JSON file.
    """
    torch.set_num_threads(1)
    found: defaultdict[str, defaultdict[str, Images]] = defaultdict(lambda: defaultdict(list))
    for file in sorted(suite.glob("runs/*/across-scenes-*/*/*/result.json")):
        checkpoint = newest_complete(file.parent.glob("fit/version_*/checkpoints/last.ckpt"))
        assert checkpoint is not None, file.parent
        result = json.loads(file.read_text(encoding="utf-8"))
        for what, images in judged(result["command"], checkpoint):
            found[f"{result['category']}, {result['method']}"][what] += images
    rows = {}
    for name, kinds in found.items():
        known = {image["scene"] for image in kinds[APART]}  # fewer, where folds are left out
        kinds[TRAINED_ON] = [image for image in kinds[TRAINED_ON] if image["scene"] in known]
        rows[name] = {what: aggregate(i["sums"] for i in images) for what, images in kinds.items()}
        for what, row in rows[name].items():
            print(f"{name}, {what}", cells(row))
        between = differences(kinds[TRAINED_ON], kinds[APART])
        rows[name][f"{TRAINED_ON} minus {APART}"] = {m: asdict(i) for m, i in between.items()}
    write_json(results, {"rows": rows, "provenance": provenance(CPU)})


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
