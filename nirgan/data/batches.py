"""Batches on the device: what a data set has stored, normalized, with the paper's noise."""

from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor

from nirgan.data.datasets import StoredBatch
from nirgan.data.images import stored_to_signed
from nirgan.data.patches import hash_counter

TRAINING_NOISE_STREAM, VALIDATION_NOISE_STREAM = 20, 21
"""Streams of `hash_counter` for the noise."""


class Batch(TypedDict):
    """A batch on the device; values in [-1, 1] before the noise is added.

    Attributes:
        nir: B x 1 x H x W, the band, y in the paper's equations.
        triplet: B x 3 x H x W, the band plus noise z of its own for each color channel.
        rgb: B x 3 x H x W, the truth, x.
        names: Category and id of each picture, if whole pictures are loaded.
        category: B indices into `PatchDataModule.categories`.
    """

    nir: Tensor
    triplet: Tensor
    rgb: Tensor
    names: NotRequired[list[str]]
    category: NotRequired[Tensor]


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the Gaussian noise added to the NIR band, on values in [-1, 1].

    The defaults are the paper's (section 3). One step of an 8-bit picture is 0.0078.

    Attributes:
        red: For the copy for the red channel.
        green: For the copy for green.
        blue: For the copy for blue.
    """

    red: float = 0.00011
    green: float = 0.00012
    blue: float = 0.00013


PAPER_NOISE = Noise()


def normalized(stored: StoredBatch, noise: Noise, seed: int, stream: int) -> Batch:
    """Normalize to [-1, 1] and add noise, which depends on number, seed and stream alone."""
    pixels = stored_to_signed(stored["pixels"]).permute(0, 3, 1, 2)
    rgb, nir = pixels[:, :3].contiguous(), pixels[:, 3:].contiguous()
    batch_seed = hash_counter(seed, stream, np.array(stored["number"])).item()
    generator = torch.Generator(rgb.device).manual_seed(batch_seed >> 1)
    drawn = torch.randn(rgb.shape, generator=generator, device=rgb.device)
    sigma = drawn.new_tensor([noise.red, noise.green, noise.blue])
    batch: Batch = {"nir": nir, "triplet": nir + drawn * sigma.view(3, 1, 1), "rgb": rgb}
    if "names" in stored:
        batch["names"] = stored["names"]
    if "category" in stored:
        batch["category"] = stored["category"]
    return batch
