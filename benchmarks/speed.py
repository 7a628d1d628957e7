"""How fast nirgan is, and what the framework costs.

    python benchmarks/speed.py --source Epfl --source.categories '[urban]' --out results/speed

Three measurements, each on this machine and in one run:

1. The input pipeline: pairs of patches a second from a built store through the DataLoader, on one
   core, with two flips; seconds until the first batch; share of a training step.
2. A training step through Lightning against the same step written out in plain torch.
3. Patches a second of each generator, fp32 and bf16, with and without channels_last.

Rates are medians over repeats, with the smallest and largest beside them.
"""

import gc
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import albumentations as A
import lightning
import torch
from jsonargparse import ArgumentParser
from torch import nn
from torch.nn.functional import logsigmoid

from nirgan.data.datamodule import PatchDataModule
from nirgan.data.sources import epfl, folder, synthetic, vcip  # noqa: F401 (short names work)
from nirgan.data.sources.base import PairSource
from nirgan.networks.discriminators.conditional import Conditional
from nirgan.networks.generators.flat import Flat
from nirgan.networks.generators.triplet import Triplet
from nirgan.tasks.adversarial import AdversarialTask

SMALL = {"widths": (16, 16, 16, 16), "kernels": (7, 5, 5, 5)}
BATCH = 16
LONG = 8.0
"""Seconds after which three timings are enough."""


def networks(kind: type[nn.Module], size: str) -> tuple[nn.Module, nn.Module]:
    """A generator and a discriminator, CPU-sized or paper-sized."""
    if size == "paper":
        return kind(), Conditional()
    return kind(**SMALL), Conditional(widths=(16, 32, 64, 128))


def spread(values: list[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def pipeline(source: PairSource, repeats: int) -> dict[str, Any]:
    """Pairs of patches a second, from the store through the DataLoader, on one core."""
    flips = [A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)]

    def module() -> PatchDataModule:
        return PatchDataModule(source, train_patches=40_000, batch_size=128, geometry=flips)

    module().prepare_data()
    start = time.perf_counter()
    data = module()
    data.prepare_data()
    data.setup()
    next(iter(data.train_dataloader()))
    first = time.perf_counter() - start
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        patches = sum(len(batch["pixels"]) for batch in data.train_dataloader())
        rates.append(patches / (time.perf_counter() - start))
    return {"pairs_per_second": spread(rates), "seconds_to_first_batch": first}


def batches(source: PairSource, count: int) -> tuple[PatchDataModule, list[Any]]:
    """Stored batches, and the data module that finishes them."""
    data = PatchDataModule(source, train_patches=count * BATCH, batch_size=BATCH)
    data.prepare_data()
    data.setup()
    return data, list(data.train_dataloader())


def plain_loop(source: PairSource, steps: int) -> float:
    """Seconds a step of the paper's two updates, written out by hand."""
    torch.manual_seed(0)
    generator, discriminator = networks(Triplet, "small")
    adam = {"lr": 2e-4, "eps": 1e-8, "weight_decay": 1e-5}
    adam_d = torch.optim.Adam(discriminator.parameters(), betas=(0.5, 0.999), **adam)
    adam_g = torch.optim.Adam(generator.parameters(), betas=(0.4, 0.999), **adam)
    data = PatchDataModule(source, train_patches=steps * BATCH, batch_size=BATCH)
    data.setup()
    marks = []
    for stored in data.train_dataloader():
        marks.append(time.perf_counter())
        batch = data.on_after_batch_transfer(stored, 0)
        x, y = batch["rgb"], batch["nir"]
        fake = generator(batch["triplet"])
        loss = -logsigmoid(discriminator(x, y)).mean()
        loss = loss - logsigmoid(-discriminator(fake.detach(), y)).mean()
        adam_d.zero_grad()
        loss.backward()
        adam_d.step()
        for parameter in discriminator.parameters():
            parameter.requires_grad_(False)
        adam_g.zero_grad()
        logsigmoid(-discriminator(fake, y)).mean().backward()
        adam_g.step()
        for parameter in discriminator.parameters():
            parameter.requires_grad_(True)
    marks.append(time.perf_counter())
    return statistics.median(b - a for a, b in pairwise(marks))


class Clock(lightning.pytorch.Callback):
    """Records when each batch began."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        """Note the time."""
        self.marks.append(time.perf_counter())


def lightning_loop(source: PairSource, steps: int) -> float:
    """Seconds a step of the same updates, as an experiment runs them."""
    torch.manual_seed(0)
    clock = Clock()
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        callbacks=[clock],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        use_distributed_sampler=False,
    )
    data = PatchDataModule(source, train_patches=steps * BATCH, batch_size=BATCH)
    trainer.fit(AdversarialTask(*networks(Triplet, "small")), datamodule=data)
    return statistics.median(b - a for a, b in pairwise(clock.marks))


def overhead(source: PairSource, repeats: int, steps: int) -> dict[str, Any]:
    """Lightning's step over the plain one, each first in turn against the machine's drift."""
    rows = []
    for number in range(repeats):
        if number % 2:
            plain = plain_loop(source, steps)
            rows.append((lightning_loop(source, steps), plain))
        else:
            rows.append((lightning_loop(source, steps), plain_loop(source, steps)))
    return {
        "lightning_seconds": spread([a for a, _ in rows]),
        "plain_seconds": spread([b for _, b in rows]),
        "ratio": spread([a / b for a, b in rows]),
    }


def input_share(source: PairSource, step_seconds: float) -> float:
    """What fetching and finishing a batch costs, as a share of a training step."""
    data, _ = batches(source, 4)
    data = PatchDataModule(source, train_patches=200 * BATCH, batch_size=BATCH)
    data.setup()
    start = time.perf_counter()
    for stored in data.train_dataloader():
        data.on_after_batch_transfer(stored, 0)
    return (time.perf_counter() - start) / 200 / step_seconds


def throughput(
    device: torch.device, sizes: list[str], batch: int, steps: int
) -> Iterator[dict[str, Any]]:
    """Patches a second in training, for each generator and kind of number."""
    for size in sizes:
        for kind in (Triplet, Flat):
            for precision, last in (("fp32", False), ("fp32", True), ("bf16", True)):
                rate = spread(
                    [_rate(kind, size, device, batch, steps, precision, last) for _ in range(3)]
                )
                row = {"generator": kind.__name__, "size": size, "precision": precision}
                yield row | {"channels_last": last, "batch": batch, "patches_per_second": rate}


def _rate(
    kind: type[nn.Module],
    size: str,
    device: torch.device,
    batch: int,
    steps: int,
    precision: str,
    last: bool,
) -> float:
    task = AdversarialTask(*networks(kind, size), channels_last=last).to(device)
    optimizers = task.configure_optimizers()
    x = torch.rand(batch, 3, 64, 64, device=device) * 2 - 1
    y = x.mean(1, keepdim=True)
    z = y.expand(-1, 3, -1, -1).contiguous()

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            fake = task(z)
            loss_d, _ = task.discriminator_loss(x, y, fake.detach())
        _update(optimizers[0], loss_d)
        task.discriminator.requires_grad_(False)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss_g = sum(task.generator_losses(x, y, fake).values())
        _update(optimizers[1], loss_g)
        task.discriminator.requires_grad_(True)

    return batch / _median_seconds(step, steps, device)


def _update(optimizer: torch.optim.Optimizer, loss: Any) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _median_seconds(step: Callable[[], None], steps: int, device: torch.device) -> float:
    seconds: list[float] = []
    for number in range(steps + 1):
        start = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number:  # the first one allocates
            seconds.append(time.perf_counter() - start)
        if len(seconds) >= 3 and sum(seconds) > LONG:
            break
    gc.collect()
    return statistics.median(seconds)


def main() -> None:
    """Measure, print and keep."""
    parser = ArgumentParser(description=__doc__)
    parser.add_subclass_arguments(PairSource, "source", required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/speed"))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--steps", type=int, default=20, help="steps of each timing")
    parser.add_argument("--sizes", type=list[str], default=["small", "paper"])
    options = parser.parse_args()
    source = parser.instantiate(options).source
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch = 128 if device.type == "cuda" else BATCH

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    result: dict[str, Any] = {"pipeline": pipeline(source, options.repeats)}
    torch.set_num_threads(threads)
    result["overhead"] = overhead(source, options.repeats, options.steps)
    step = result["overhead"]["plain_seconds"]["median"]
    result["pipeline"]["share_of_a_step"] = input_share(source, step)
    print(json.dumps(result, indent=1), flush=True)
    result["throughput"] = []
    for row in throughput(device, options.sizes, batch, options.steps):
        result["throughput"].append(row)
        print(row, flush=True)
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor()
    result["machine"] = {"device": name or platform.machine(), "threads": threads}
    result["versions"] = {"torch": torch.__version__, "lightning": lightning.__version__}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "speed.json").write_text(json.dumps(result, indent=1))
    print(f"In {options.out}/speed.json")


if __name__ == "__main__":
    main()
