"""Sample outputs of a method for figures: a few patches and a whole picture.

They are chosen by the split's seed alone, so they are the same for every method.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nirgan.data.batches import Batch
from nirgan.data.datamodule import PatchDataModule
from nirgan.data.images import signed_to_unit
from nirgan.data.patches import PatchTable, hash_counter
from nirgan.evaluation.evaluate import Colorize
from nirgan.metrics.functional import angular_error
from nirgan.utils.atomic_write import atomic_write
from nirgan.utils.rect import Rect

PATCH_PX = 64
"""Height and width of the patches, whatever a method was trained on."""


@dataclass(frozen=True)
class FigureSamples:
    """Patches, N x P x P x C, and a whole picture, H x W x C, in uint8."""

    places: list[str]  # of every patch, `category/id at row, column`
    nir: npt.NDArray[Any]
    output: npt.NDArray[Any]
    truth: npt.NDArray[Any]
    whole: str  # category and id of the whole picture
    strip: Sequence[int]  # its first and last column that are judged
    whole_nir: npt.NDArray[Any]
    whole_output: npt.NDArray[Any]
    whole_truth: npt.NDArray[Any]
    whole_angles: npt.NDArray[Any]  # its angular error in degrees, H x W, float16; nan: no color

    def save(self, file: Path) -> None:
        """Write the samples atomically."""
        with atomic_write(file) as part:
            np.savez_compressed(part, **vars(self))

    @classmethod
    def load(cls, file: Path) -> "FigureSamples":
        """Read what `save` wrote."""
        with np.load(file) as arrays:
            return cls(**{name: a if a.ndim > 1 else a.tolist() for name, a in arrays.items()})


def draw_samples(
    colorize: Colorize, data: PatchDataModule, rows: int, device: torch.device, category: str
) -> FigureSamples:
    """Choose what is shown of a category, or `all`: a whole picture and `rows` patches, colorized.

    The patches are cut out of what is judged, colorized as a whole. Each is of another pair; there
    are fewer where there are fewer pairs.
    """
    categories = [pair.category for pair in data.pairs]
    regions = [r for r in data.validation if category in ("all", categories[r.pair])]
    size = min(PATCH_PX, *(side for region in regions for side in region.shape))
    table = PatchTable(regions, categories, size)
    drawn = table.draw(data.split_seed, range(50 * rows))
    _, first = np.unique(drawn.pair, return_index=True)
    places, patches = [], []
    for i in sorted(first)[:rows]:
        region, top, left = table.regions[drawn.region[i]], int(drawn.top[i]), int(drawn.left[i])
        batch = data.region_batch(region, i)
        nir, truth = (signed_to_unit(batch[name]) for name in ("nir", "rgb"))
        cut = (..., *Rect(top, left, top + size, left + size).within(region))
        patches.append([_bytes(x[cut])[0] for x in (nir, _output(colorize, batch, device), truth)])
        places.append(f"{data.pairs[region.pair].name} at {top}, {left}")
    nirs, outputs, truths = (np.stack(of_all) for of_all in zip(*patches, strict=True))
    number = int(hash_counter(data.split_seed, 31, np.array(0)) % np.uint64(len(regions)))
    region = regions[number]
    pictures = data.whole_pictures()
    index = [picture.pair for picture in pictures].index(region.pair)
    large = data.region_batch(pictures[index], index)
    picture = _output(colorize, large, device)
    angles, counted = angular_error(picture, signed_to_unit(large["rgb"]))
    return FigureSamples(
        places,
        nirs,
        outputs,
        truths,
        data.pairs[region.pair].name,
        (region.left, region.right),
        _bytes(signed_to_unit(large["nir"]))[0],
        _bytes(picture)[0],
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
