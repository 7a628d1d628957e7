"""Can the paper's adversarial losses alone teach its generators colors? One change at a time.

    python benchmarks/adversary.py --name "the paper's" --results results/adversary/results.json
    python benchmarks/adversary.py --name "not saturating" --saturating false --results ...

Trains the flat or the triplet network with 16 channels a layer on EPFL's urban pictures, within
images, by the adversarial losses alone, judges it several times on the validation patches, as it is
and with weights averaged over steps, and adds a row to the results, which grows with every time.
Beside the figures it keeps what the two networks did to each other: the discriminator's loss and
the share of pictures that it judges rightly, the norms of both gradients, and how much the
generator's pictures differ, each as the mean since the time before.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import lightning
import numpy as np
import torch
from jsonargparse import auto_cli
from PIL import Image
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nirgan.data.batches import Batch
from nirgan.data.datamodule import PatchDataModule
from nirgan.data.images import signed_to_unit
from nirgan.data.sources.epfl import Epfl
from nirgan.evaluation.evaluate import aggregate, judge
from nirgan.evaluation.provenance import provenance
from nirgan.networks.discriminators.conditional import Conditional
from nirgan.networks.discriminators.patch import PatchGAN
from nirgan.networks.generators.flat import Flat
from nirgan.networks.generators.triplet import Triplet
from nirgan.tasks.adversarial import AdversarialTask, WeightRegularizer
from nirgan.utils.atomic_write import write_json

WIDTHS, KERNELS, SHOWN = [16] * 4, [7, 5, 5, 5], 6
DECAY = 0.995
"""Of the averaged weights, a step."""


class VariedTask(AdversarialTask):
    """The paper's updates, with noise on what the discriminator sees; records every step's values.

    Args:
        noise: Standard deviation of noise on the colors that the discriminator sees, [-1, 1].
        band_noise: The same on the band that it sees.
        options: Of the task.
    """

    def __init__(self, noise: float, band_noise: float, **options: Any) -> None:
        super().__init__(**options)
        critic = self.discriminator

        def seen(module: nn.Module, pictures: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
            sigmas = (noise, band_noise)
            return tuple(p + s * torch.randn_like(p) for p, s in zip(pictures, sigmas, strict=True))

        if noise or band_noise:
            critic.register_forward_pre_hook(seen)
        self.told: defaultdict[str, list[float]] = defaultdict(list)

    def log_step(self, values: Mapping[str, Tensor | float], prog_bar: bool = False) -> None:
        """Record the values of a step."""
        for name, value in values.items():
            self.told[name.removeprefix("train/")].append(float(torch.as_tensor(value).detach()))


class Times(lightning.Callback):
    """Judges the generator every so many steps, and draws what it makes."""

    def __init__(
        self,
        data: PatchDataModule,
        every: int,
        pictures: Path | None,
        keep: Callable[[list[dict[str, float]]], None],
    ) -> None:
        self.data, self.every, self.pictures, self.keep = data, every, pictures, keep
        self.rows: list[dict[str, float]] = []
        self.strips: list[np.ndarray] = []
        self.averaged: AveragedModel | None = None

    def on_train_batch_end(
        self, trainer: Any, task: VariedTask, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Judge the generator every `every` steps."""
        done = trainer.fit_loop.total_batch_idx + 1
        self.averaged = self.averaged or AveragedModel(
            task.generator, multi_avg_fn=get_ema_multi_avg_fn(DECAY), use_buffers=True
        )
        self.averaged.update_parameters(task.generator)
        if done % self.every:
            return
        drawn: list[Tensor] = []
        row = self.judged(task.generator, [])
        of_mean = self.judged(self.averaged, drawn)
        row |= {f"averaged/{name}": value for name, value in of_mean.items()}
        told = {name: float(np.mean(values)) for name, values in task.told.items()}
        task.told.clear()
        self.rows.append({"patches": done * self.data.batch_size} | row | told)
        print(json.dumps({k: round(v, 4) for k, v in self.rows[-1].items()}), flush=True)
        self.keep(self.rows)
        if self.pictures:
            self.strips.append(_strip(drawn[:: len(drawn) // SHOWN][:SHOWN]))
            truth = [signed_to_unit(x) for x in _truth(self.data, len(drawn))]
            sheet = Image.fromarray(np.concatenate([*self.strips, _strip(truth)]))
            sheet.resize((2 * sheet.width, 2 * sheet.height)).save(self.pictures)

    def judged(self, generator: nn.Module, drawn: list[Tensor]) -> dict[str, float]:
        """Figures of a generator on the validation patches."""
        generator.eval()
        scores = judge(
            cast(Any, generator),
            self.data.val_dataloader(),
            self.data,
            torch.device("cpu"),
            lambda _, picture: drawn.append(picture.clone()),
        )
        row = aggregate(score.sums for score in scores)
        generator.train()
        return row


def _truth(data: PatchDataModule, count: int) -> list[Tensor]:
    pictures: list[Tensor] = []
    for stored in data.val_dataloader():
        batch: Batch = data.on_after_batch_transfer(stored, 0)
        pictures += list(batch["rgb"])
    return pictures[:: count // SHOWN][:SHOWN]


def _strip(pictures: list[Tensor]) -> np.ndarray:
    row = torch.cat(pictures, 2).clamp(0, 1).permute(1, 2, 0)
    return (row * 255).round().byte().numpy()


def main(
    name: str,
    results: Path,
    generator: Literal["flat", "triplet"] = "flat",
    discriminator: Literal["conditional", "patch"] = "conditional",
    norm: Literal["batch", "none"] = "batch",
    saturating: bool = True,
    noise: float = 0.0,
    band_noise: float = 0.0,
    gradient_penalty: float = 0.0,
    to_zero: bool = False,
    rate: float = 2e-4,
    discriminator_rate: float | None = None,
    std: float = 0.00282,
    batch_size: int = 16,
    patches: int = 25_600,
    times: int = 4,
    seed: int = 0,
    pictures: Path | None = None,
) -> None:
    """Train and judge one variant.

    Args:
        name: Of the row.
        results: JSON file that it is added to.
        generator: The flat one has a third of the triplet's layers.
        discriminator: The paper's, or pix2pix's, which judges parts.
        norm: In the discriminator.
        saturating: Eq. 4 as the paper has it.
        noise: See `VariedTask`.
        band_noise: Likewise.
        gradient_penalty: See `AdversarialTask`.
        to_zero: Whether both learning rates fall to 0 over the run.
        rate: Learning rate.
        discriminator_rate: Its own; None: the same.
        std: Of the initial weights.
        batch_size: Patches of a step.
        patches: Of the run.
        times: How often it is judged.
        seed: Of everything.
        pictures: A JPEG file of validation patches, by the averaged weights: a row for each
            time, and the truth.
    """
    options = {k: v for k, v in locals().items() if k not in ("name", "results", "pictures")}
    torch.set_num_threads(1)
    lightning.seed_everything(seed)
    kind = {"flat": Flat, "triplet": Triplet}[generator]
    critic: nn.Module = Conditional((16, 32, 64, 128), norm=norm, std=std)
    if discriminator == "patch":
        critic = PatchGAN((16, 32, 64), norm=norm, std=std)

    def adam(lr: float, beta: float) -> Any:
        return lambda parameters: torch.optim.Adam(
            parameters, lr=lr, betas=(beta, 0.999), weight_decay=1e-5
        )

    task = VariedTask(
        noise,
        band_noise,
        generator=kind(widths=WIDTHS, kernels=KERNELS, std=std),
        discriminator=critic,
        saturating=saturating,
        gradient_penalty=gradient_penalty,
        scheduler="to-zero" if to_zero else None,
        l1=WeightRegularizer(weight=1e-5),
        generator_optimizer=adam(rate, 0.4),
        discriminator_optimizer=adam(discriminator_rate or rate, 0.5),
        channels_last=True,
    )
    data = PatchDataModule(
        Epfl(["urban"]), train_patches=patches, val_patches=400, batch_size=batch_size
    )
    started = time.perf_counter()

    def keep(judged: list[dict[str, float]]) -> None:
        rows = json.loads(results.read_text()) if results.is_file() else {}
        grey = judge(lambda nir: nir, data.val_dataloader(), data, torch.device("cpu"))
        rows[name] = {
            "options": options,
            "judged": judged,
            "grey": aggregate(score.sums for score in grey),
            "seconds": round(time.perf_counter() - started),
            "provenance": provenance(torch.device("cpu")),
        }
        write_json(results, rows)

    lightning.Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Times(data, patches // batch_size // times, pictures, keep)],
    ).fit(task, data)


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
