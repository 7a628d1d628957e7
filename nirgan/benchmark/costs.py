"""What the methods of a suite cost: patches a second in training, time for a picture."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch.nn.functional import interpolate

from nirgan.benchmark.suite import Run
from nirgan.data.images import stored_to_signed
from nirgan.evaluation.provenance import provenance
from nirgan.experiment.lightning_cli import fit

TIMED_STEPS = 20
"""Steps that are timed, after those that allocate."""
WARMUP_STEPS = 3
TIMED_PICTURES = 5
PICTURE_SIZE_PX = (680, 1024)
"""Height and width of the picture, about those of EPFL's."""


def measure(runs: Sequence[Run], log: Callable[[str], object]) -> dict[str, Any]:
    """Time every method, by its first run; on a machine that does nothing else.

    Returns:
        Where this was; and by method `patches_per_second` in training, by the median step, None for
        a method that is fitted in one pass; and `milliseconds` for a picture of 1024x680 pixels in
        float32, the median of five.
    """
    methods: dict[str, dict[str, float | None]] = {}
    device = torch.device("cpu")
    for run in runs:
        if run.method not in methods:
            log(f"timing {run.method}")
            methods[run.method], device = _time_method(run)
    return {"methods": methods, **provenance(device)}


def _time_method(run: Run) -> tuple[dict[str, float | None], torch.device]:
    clock, arguments = StepTimer(), [*run.arguments, "--data.val_patches=1"]
    if not run.one_pass:
        patches = (WARMUP_STEPS + TIMED_STEPS) * run.configuration["data"]["batch_size"]
        arguments += [f"--data.train_patches={patches}", "--trainer.max_epochs=1"]
    with TemporaryDirectory() as folder:
        cli = fit([*arguments, f"--trainer.default_root_dir={folder}"], [clock])
    device = cli.trainer.strategy.root_device
    task = cli.model.eval().to(device)
    image = torch.from_numpy(cli.datamodule.images[0][..., 3].copy())
    band = interpolate(stored_to_signed(image)[None, None], PICTURE_SIZE_PX, mode="bilinear")
    triplet = band.to(device).expand(-1, 3, -1, -1)
    seconds = []
    with torch.inference_mode():
        for _ in range(1 + TIMED_PICTURES):
            start = _now(device)
            task(triplet)
            seconds.append(_now(device) - start)
    rate = None if run.one_pass else run.configuration["data"]["batch_size"] / clock.step()
    return {"patches_per_second": rate, "milliseconds": 1000 * median(seconds[1:])}, device


class StepTimer(Callback):
    """Notes when each training step ends."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Note when the step ended."""
        self.times.append(_now(pl_module.device))

    def step(self) -> float:
        """Seconds of the median step."""
        ends = self.times[WARMUP_STEPS - 1 :]
        return median(b - a for a, b in pairwise(ends))


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
