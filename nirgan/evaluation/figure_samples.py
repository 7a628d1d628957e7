"""What figures show of a method: a few patches and a whole picture, the same for every method.

They are chosen by the split's seed alone.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nirgan.data.datamodule import Batch, PatchDataModule
from nirgan.data.images import signed_to_unit
from nirgan.data.patches import hash_counter
from nirgan.evaluation.evaluate import Colorize
from nirgan.metrics.functional import angular_error

FIRST_FIGURE_PATCH = 1_000_000
"""Number of the first patch shown; those that are judged have smaller ones."""


@dataclass(frozen=True)
class FigureSamples:
    """Pictures as H x W x C, uint8.

    Attributes:
        places: Of every patch, `category/id at row, column`.
        nir, output, truth: The patches, N x 64 x 64 x C.
        whole: Category and id of the whole picture.
        band: First and last column of the whole picture that are judged.
        whole_nir, whole_output, whole_truth: The whole picture.
        whole_angles: Angular error of its pixels in degrees, H x W, float16; nan without color.
    """

    places: list[str]
    nir: npt.NDArray[Any]
    output: npt.NDArray[Any]
    truth: npt.NDArray[Any]
    whole: str
    band: tuple[int, int]
    whole_nir: npt.NDArray[Any]
    whole_output: npt.NDArray[Any]
    whole_truth: npt.NDArray[Any]
    whole_angles: npt.NDArray[Any]

    def save(self, file: Path) -> None:
        """Write all of it, whole or not at all."""
        part = file.with_suffix(".part.npz")
        arrays: dict[str, Any] = {name: np.asarray(v) for name, v in vars(self).items()}
        np.savez_compressed(part, **arrays)
        part.replace(file)

    @classmethod
    def load(cls, file: Path) -> "FigureSamples":
        """Read what `save` wrote."""
        with np.load(file) as arrays:
            values = dict(arrays)
        values["places"] = values["places"].tolist()
        values["whole"] = values["whole"].item()
        values["band"] = tuple(values["band"].tolist())
        return cls(**values)


def sample_figures(
    colorize: Colorize, data: PatchDataModule, rows: int, device: torch.device
) -> FigureSamples:
    """Choose what is shown of a split, and colorize it.

    Args:
        colorize: The method.
        data: The data module, set up.
        rows: Patches, each of another pair; fewer where there are fewer pairs.
        device: Where `colorize` computes.
    """
    patches: Any = data.validation_patches().dataset
    numbers = range(FIRST_FIGURE_PATCH, FIRST_FIGURE_PATCH + 50 * rows)
    draw = patches.table.draw(patches.seed, numbers)
    _, first = np.unique(draw.pair, return_index=True)
    chosen = sorted(first)[:rows]
    small = data.on_after_batch_transfer(patches[[numbers[i] for i in chosen]], 0)
    places = [f"{data.pairs[draw.pair[i]].name} at {draw.top[i]}, {draw.left[i]}" for i in chosen]
    number = int(hash_counter(data.split_seed, 31, np.array(0)) % np.uint64(len(data.validation)))
    region = data.validation[number]
    pictures = data.predict_dataloader().dataset
    index = sorted({r.pair for r in data.validation}).index(region.pair)
    large = data.on_after_batch_transfer(pictures[index], 0)
    output, whole = _output(colorize, small, device), _output(colorize, large, device)
    angles, counted = angular_error(whole, signed_to_unit(large["rgb"]))
    return FigureSamples(
        places,
        _bytes(signed_to_unit(small["nir"])),
        _bytes(output),
        _bytes(signed_to_unit(small["rgb"])),
        data.pairs[region.pair].name,
        (region.left, region.left + region.width),
        _bytes(signed_to_unit(large["nir"]))[0],
        _bytes(whole)[0],
        _bytes(signed_to_unit(large["rgb"]))[0],
        torch.where(counted, angles, torch.nan)[0].half().numpy(),
    )


def _output(colorize: Colorize, batch: Batch, device: torch.device) -> Tensor:
    with torch.inference_mode():
        return signed_to_unit(colorize(batch["triplet"].to(device))).cpu()


def _bytes(pictures: Tensor) -> npt.NDArray[Any]:
    rounded = (pictures.clamp(0, 1) * 255).round().to(torch.uint8)
    array: npt.NDArray[Any] = rounded.permute(0, 2, 3, 1).numpy()
    return array
