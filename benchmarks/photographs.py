"""Do photographs without NIR teach the default network? And what do parts of its recipe do?

    python benchmarks/photographs.py band --out bands.pt --judge 4 --train '[1,2,3]'
    python benchmarks/photographs.py train --name base --results results/ablation/photographs.json
    python benchmarks/photographs.py train --name "a quarter photographs" --bands bands.pt \
        --results results/ablation/photographs.json

`band` trains a network from RGB to NIR on the pairs of some folds, judges it on another, and makes
a band for every photograph. `train` trains the default network on pairs, and on photographs with
such a band, and judges it on a fold that neither network has seen; it adds a row to the results.
All pictures are held in memory, at most 512 pixels long, which makes a row of ten minutes on one
core; figures are therefore not those of full-size pictures. Photographs may have a last layer of
their own (`--heads 2`): their colors are not the camera's, what is seen in them is the same; or
the colors that trained networks make of their bands together (`--teachers`, Hinton et al. 2015).
"""

import csv
import json
import math
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import cv2
import numpy as np
import torch
from jsonargparse import auto_cli
from torch import Tensor, nn
from trial_networks import KINDS, Bins, CIEDE2000Loss, LastLayers, RgbToNir

from nirgan.data.images import read_rgb
from nirgan.data.sources.epfl import Epfl
from nirgan.errors import NirganError
from nirgan.evaluation.evaluate import aggregate, score_images
from nirgan.evaluation.provenance import provenance
from nirgan.inference.models.pretrained import read_model
from nirgan.losses.adversarial import discriminator_loss, generator_loss
from nirgan.losses.angular import AngleLoss, ColoredAngleLoss
from nirgan.losses.lab import LabLoss
from nirgan.networks.discriminators.patch import PatchGAN
from nirgan.utils.atomic_write import write_json

LONGEST, SIZE, BATCH = 512, 192, 16
WIDTHS = (96, 64, 32)
Shot = tuple[str, np.ndarray, np.ndarray]
"""Name, band (H x W) and colors (H x W x 3), 8 bits."""
Mixing = Literal["blended", "pasted"]


def pairs(folds: Sequence[int]) -> list[Shot]:
    """Of EPFL's folds, scaled down."""
    chosen = [pair for pair in Epfl().pairs() if pair.fold in folds]
    return [(pair.name, *map(_smaller, pair.load())) for pair in chosen]


def photographs() -> list[tuple[str, np.ndarray]]:
    """All that lie in `photos` of the data root, by the order of its manifest."""
    folder = Path(os.environ["NIRGAN_DATA"]) / "photos"
    with (folder / "manifest.csv").open(newline="") as rows:
        return [(row["file"], read_rgb(folder / row["file"])) for row in csv.DictReader(rows)]


def _smaller(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    scale = LONGEST / max(height, width)
    if scale >= 1:
        return pixels
    size = round(width * scale), round(height * scale)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def cropped(rng: random.Random, band: np.ndarray, rgb: np.ndarray, least: float) -> list[Tensor]:
    """A part of a picture, from `least` of its area up, as SIZE x SIZE pixels in [0, 1]."""
    height, width = band.shape
    for _ in range(10):
        area = height * width * rng.uniform(least, 1)
        ratio = math.exp(rng.uniform(math.log(0.75), math.log(1.333)))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if wide <= width and high <= height:
            break
    else:
        wide, high = width, height
    left, top = rng.randint(0, width - wide), rng.randint(0, height - high)
    how = cv2.INTER_AREA if wide > SIZE * 1.5 else cv2.INTER_CUBIC
    mirrored = rng.random() < 0.5
    parts = []
    for pixels in (band, rgb):
        part = cv2.resize(
            pixels[top : top + high, left : left + wide], (SIZE, SIZE), interpolation=how
        )
        part = np.ascontiguousarray(part[:, ::-1]) if mirrored else part
        parts.append(torch.from_numpy(part) / 255)
    return [parts[0][None], parts[1].permute(2, 0, 1)]


def varied(rng: random.Random, band: Tensor) -> Tensor:
    """Other gamma, contrast, brightness and noise, as `conf/data/default.yaml` has them."""
    if rng.random() < 0.5:
        band = band ** math.exp(rng.uniform(-0.288, 0.288))
    if rng.random() < 0.5:
        band = (band - 0.5) * (1 + rng.uniform(-0.12, 0.12)) + 0.5 + rng.uniform(-0.08, 0.08)
    if rng.random() < 0.3:
        band = band + torch.randn(band.shape) * rng.uniform(0, 0.03)
    return band.clamp(0, 1)


def batch(
    rng: random.Random, shots: Sequence[Shot], count: int, least: float
) -> tuple[Tensor, Tensor]:
    """Bands, B x 1 x SIZE x SIZE, and colors, B x 3 x SIZE x SIZE, in [0, 1]."""
    some = [cropped(rng, *rng.choice(shots)[1:], least) for _ in range(count)]
    bands, colors = zip(*some, strict=True)
    return torch.stack(bands), torch.stack(colors)


def mixed(rng: random.Random, batch: Sequence[Tensor], how: Mixing | None) -> list[Tensor]:
    """Every pair with another of its batch, bands and colors alike.

    Not at all if `how` is None; `blended` as in Zhang et al. 2018, with Beta(0.4, 0.4); `pasted`
    as in Yun et al. 2019: a rectangle, of half of the pairs.
    """
    mixtures = [one.clone() for one in batch]
    for place in range(BATCH) if how else ():
        other = rng.randrange(BATCH)
        if how == "blended":
            share = rng.betavariate(0.4, 0.4)
            for mixture, one in zip(mixtures, batch, strict=True):
                mixture[place] = share * one[place] + (1 - share) * one[other]
        elif rng.random() < 0.5:
            side = math.sqrt(rng.random())
            rows, columns = (
                slice(start, start + round(side * SIZE))
                for start in (rng.randint(0, SIZE - round(side * SIZE)) for _ in range(2))
            )
            for mixture, one in zip(mixtures, batch, strict=True):
                mixture[place, :, rows, columns] = one[other, :, rows, columns]
    return mixtures


def descending(
    network: nn.Module, steps: int, decay: float = 0.05
) -> tuple[torch.optim.Optimizer, Any]:
    """AdamW as the default has it, its rates falling along half a cosine."""
    named = [(n.startswith("encoder"), p) for n, p in network.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for encoder, p in named if encoder is part], "lr": lr}
        for part, lr in ((True, 5e-4), (False, 2e-3))
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=decay)
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)


def prepared(seed: int) -> random.Random:
    """Everything seeded, one thread."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    return random.Random(seed)


def of_the_camera(photos: Sequence[Shot], shots: Sequence[Shot]) -> list[Shot]:
    """Photographs with the pairs' mean and deviation of CIELAB's a and b (Reinhard et al. 2001)."""

    def moments(colors: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        chroma = np.concatenate([_lab(rgb)[::7, ::7, 1:].reshape(-1, 2) for rgb in colors])
        return chroma.mean(0), chroma.std(0)

    mean, deviation = moments([rgb for _, _, rgb in photos])
    new_mean, new_deviation = moments([rgb for _, _, rgb in shots])
    print("a and b of photographs", mean, deviation, "of pairs", new_mean, new_deviation)
    moved = []
    for name, band, rgb in photos:
        lab = _lab(rgb)
        lab[..., 1:] = (lab[..., 1:] - mean) / deviation * new_deviation + new_mean
        unit = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).clip(0, 1)
        moved.append((name, band, (unit * 255).round().astype(np.uint8)))
    return moved


def _lab(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def band(out: Path, train: list[int], judge: list[int], steps: int = 350, seed: int = 0) -> None:
    """Train from RGB to NIR, and make a band for every photograph.

    Args:
        out: File of the bands.
        train: Folds that are trained on.
        judge: Folds that are judged.
        steps: Batches of 16.
        seed: Of everything.
    """
    rng = prepared(seed)
    network = RgbToNir(weights="imagenet", widths=WIDTHS, frozen=5, dropout=0.2, drop_path=0.1)
    network.train().to(memory_format=torch.channels_last)
    optimizer, schedule = descending(network, steps)
    shots = pairs(train)
    for step in range(steps):
        bands, colors = batch(rng, shots, BATCH, 0.25)
        loss = (network(colors * 2 - 1) - bands * 2 + 1).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(step, f"{loss.item():.4f}", flush=True)
    network.eval()

    @torch.inference_mode()
    def made(rgb: np.ndarray) -> Tensor:
        unit = torch.from_numpy(rgb).permute(2, 0, 1)[None] / 255
        return cast(Tensor, network(unit * 2 - 1)[0, 0] + 1) / 2

    scores = []
    for _, nir, rgb in pairs(judge):
        truth = torch.from_numpy(nir) / 255
        grey = torch.from_numpy(rgb).float().mean(2) / 255
        scores.append(
            tuple(-10 * math.log10((x - truth).square().mean()) for x in (made(rgb), grey))
        )
    print("PSNR of the band and of the grey of RGB:", np.mean(scores, 0))
    of_photographs = [(made(rgb) * 255).round().byte() for _, rgb in photographs()]
    torch.save({"bands": of_photographs, "train": train, "network": network.state_dict()}, out)


@torch.inference_mode()
def judged(network: nn.Module, shots: Sequence[Shot]) -> tuple[dict[str, float], dict[str, float]]:
    """Figures of the network and of the grey copy."""
    found = []
    for name, nir, rgb in shots:
        unit = torch.from_numpy(nir).expand(1, 3, -1, -1) / 255
        truth = torch.from_numpy(rgb).permute(2, 0, 1) / 255
        output = ((network(unit * 2 - 1)[0] + 1) / 2).clamp(0, 1)
        pair = torch.stack([output, unit[0]])
        found.append(
            [score.sums for score in score_images([name, name], pair, truth.expand_as(pair))]
        )
    of_network, of_grey = (aggregate(sums) for sums in zip(*found, strict=True))
    return of_network, of_grey


def made_bands(bands: Path, judge: Sequence[int]) -> tuple[list[Shot], RgbToNir]:
    """The photographs with their bands, and the network that made these."""
    made = torch.load(bands, weights_only=True)
    if set(made["train"]) & set(judge):
        raise NirganError(f"{bands}: made by a network that was trained on the judged folds")
    network = RgbToNir(widths=WIDTHS)
    network.load_state_dict(made["network"])
    photos = zip(made["bands"], photographs(), strict=True)
    return [(n, b.numpy(), c) for b, (n, c) in photos], network.eval().requires_grad_(False)


@torch.inference_mode()
def taught(photos: Sequence[Shot], teachers: Sequence[Path]) -> list[Shot]:
    """The photographs with the mean of what networks make of their bands for colors."""
    networks = [read_model(path).generator.eval() for path in teachers]
    shots = []
    for name, made, _ in photos:
        signed = torch.from_numpy(made).expand(1, 3, -1, -1) / 255 * 2 - 1
        colors = cast(Tensor, sum(network(signed)[0] for network in networks)) / len(networks)
        rgb = ((colors + 1) * 127.5).clamp(0, 255).round().byte()
        shots.append((name, made, rgb.permute(1, 2, 0).contiguous().numpy()))
    return shots


def train(
    name: str,
    results: Path,
    train: list[int],
    judge: list[int],
    bands: Path | None = None,
    share: float = 0.25,
    until: float = 1.0,
    heads: Literal[1, 2] = 1,
    statistics: bool = False,
    teachers: tuple[Path, ...] = (),
    consistency: float = 0.0,
    frozen: int = 11,
    widths: tuple[int, ...] = WIDTHS,
    dropout: float = 0.2,
    drop_path: float = 0.1,
    weight_decay: float = 0.05,
    ciede2000: bool = False,
    adversary: float = 0.0,
    mixing: Mixing | None = None,
    kind: Literal["offsets", "full-size", "bins", "mean-of-bins", "three-decoders"] = "offsets",
    steps: int = 400,
    seed: int = 0,
) -> None:
    """Train the default network, and judge it.

    Args:
        name: Of the row.
        results: JSON file that it is added to.
        train: Folds that are trained on.
        judge: Folds that are judged.
        bands: Of `band`; None: no photographs.
        share: Of photographs in a batch.
        until: Part of the run after which there are none.
        heads: Last layers.
        statistics: Whether the photographs' colors are drawn towards the pairs'.
        teachers: Checkpoints whose mean colors the photographs have instead of their own.
        consistency: Weight of the difference of the band from the one that `band`'s network makes
            of the output.
        frozen: See `SceneUNet`.
        widths: Likewise.
        dropout: Likewise.
        drop_path: Likewise.
        weight_decay: Of AdamW.
        ciede2000: Whether CIEDE2000 takes CIELAB's place as a loss.
        adversary: Weight of a conditional PatchGAN's loss in the second half of the run.
        mixing: How the pairs of a batch are mixed; None: not at all.
        kind: What the network gives: offsets as the default's; the same with a small network at
            full size in the guided filter's place; a distribution over bins of color; or the
            mean of three decoders' offsets.
        steps: Batches of 16.
        seed: Of everything.
    """
    options = {key: value for key, value in locals().items() if key not in ("name", "results")}
    rng = prepared(seed)
    network = KINDS[kind]("imagenet", 352, widths, frozen, dropout, drop_path)
    if heads == 2:
        network.last = LastLayers(network.last)  # type: ignore[assignment]
    network.train().to(memory_format=torch.channels_last)
    optimizer, schedule = descending(network, steps, weight_decay)
    terms = (
        (nn.L1Loss(), 1.0),
        (AngleLoss(), 1.15),
        (ColoredAngleLoss(), 0.25),
        (CIEDE2000Loss() if ciede2000 else LabLoss(), 1.0),
    )
    shots, photos, back = pairs(train), [], None
    if bands:
        photos, back = made_bands(bands, judge)
        photos = of_the_camera(photos, shots) if statistics else photos
        photos = taught(photos, teachers) if teachers else photos
    critic = PatchGAN((32, 64, 128), norm="instance")
    descent = torch.optim.Adam(critic.parameters(), 2e-4, betas=(0.5, 0.999))
    started = time.perf_counter()
    for step in range(steps):
        extra = int(share * BATCH + rng.random()) if photos and step < until * steps else 0
        parts = ((shots, BATCH - extra, 0.25), (photos, extra, 0.35))
        drawn = [batch(rng, some, count, least) for some, count, least in parts if count]
        nir, rgb = mixed(rng, [torch.cat(both) for both in zip(*drawn, strict=True)], mixing)
        nir = torch.stack([varied(rng, one) for one in nir]) * 2 - 1
        if heads == 2:
            network.last.second = extra
        output = network(nir.expand(-1, 3, -1, -1))
        rgb = rgb.repeat(len(output) // len(rgb), 1, 1, 1)
        loss = (
            network.loss(rgb)
            if isinstance(network, Bins)
            else sum(weight * term((output + 1) / 2, rgb) for term, weight in terms)
        )
        if back and consistency:
            loss = loss + consistency * (back(output) - nir).abs().mean() / 2
        if adversary and step >= steps // 2:
            told = discriminator_loss(critic(rgb * 2 - 1, nir), critic(output.detach(), nir))
            descent.zero_grad()
            told.backward()
            descent.step()
            loss = loss + adversary * generator_loss(critic(output, nir), saturating=False)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 50 == 0:
            print(step + 1, f"{loss.item():.3f} {time.perf_counter() - started:.0f} s", flush=True)
    if heads == 2:
        network.last.second = 0
    network.eval()
    figures, grey = judged(network, pairs(judge))
    rows = json.loads(results.read_text()) if results.is_file() else {}
    named = {"bands": bands and bands.name, "teachers": [path.name for path in teachers]}
    rows[name] = {
        "options": options | named,
        "figures": figures,
        "grey": grey,
        "seconds": time.perf_counter() - started,
        "provenance": provenance(torch.device("cpu")),
    }
    write_json(results, rows)
    print(name, json.dumps(rows[name]["figures"]))


if __name__ == "__main__":
    auto_cli([band, train], as_positional=False)
