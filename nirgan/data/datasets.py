"""Torch data sets of stored pairs: batches of patches, and whole regions."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from nirgan.data.images import as_depth
from nirgan.data.patches import PatchTable, Region
from nirgan.data.store import StoredPairs
from nirgan.data.transforms import Augmentation


class StoredBatch(TypedDict):
    """A batch as it leaves the loader, later a `nirgan.data.batches.Batch`.

    Attributes:
        pixels: B x H x W x 4 (red, green, blue, NIR) as stored.
        number: The number of its first patch, which seeds the noise.
    """

    pixels: Tensor
    number: int
    names: NotRequired[list[str]]
    category: NotRequired[Tensor]


class PatchDataset(Dataset[StoredBatch]):
    """Batches of patches; an index is the list of the numbers of a batch.

    Args:
        images: Stored pairs, H x W x 4.
        table: Draws the positions of patches.
        patch: Height and width of a patch in pixels.
        seed: Determines, with the number of a patch, its position and augmentation.
        augmentation: Applied to each patch.
        categories: The index of each image's category.
        whole: Whether the augmentation gets the whole region of a patch, which it crops itself.
    """

    def __init__(
        self,
        images: StoredPairs,
        table: PatchTable,
        patch: int,
        seed: int,
        augmentation: Augmentation,
        categories: Sequence[int],
        whole: bool = False,
    ) -> None:
        self.images, self.table, self.patch, self.seed = images, table, patch, seed
        self.augmentation, self.whole = augmentation, whole
        self.categories = torch.tensor(categories)
        self.depth = images.dtype

    def __getitem__(self, numbers: list[int]) -> StoredBatch:
        draw = self.table.draw(self.seed, numbers)
        size = self.patch
        batch = np.empty((len(numbers), size, size, 4), self.depth)
        drawn = (part.tolist() for part in (draw.region, draw.top, draw.left, draw.hash))
        for out, number, top, left, seed in zip(batch, *drawn, strict=True):
            region = self.table.regions[number]
            cut = region if self.whole else Region(top, left, top + size, left + size, region.pair)
            patch = cut.of(self.images)
            if self.augmentation or self.whole:
                patch = self.augmentation(np.asarray(patch), seed, size)
            out[...] = as_depth(patch, self.depth)
        category = self.categories[torch.from_numpy(draw.pair)]
        return {"pixels": torch.from_numpy(batch), "number": numbers[0], "category": category}


class RegionDataset(Dataset[StoredBatch]):
    """Whole regions of stored pairs, each H x W x 4 and with a name, as batches of one."""

    def __init__(self, images: StoredPairs, regions: Sequence[Region]) -> None:
        self.images, self.regions = images, regions

    def __len__(self) -> int:
        return len(self.regions)

    def __getitem__(self, number: int) -> StoredBatch:
        region = self.regions[number]
        pixels = np.array(region.of(self.images))[None]
        name = self.images.pairs[region.pair].name
        return {"pixels": torch.from_numpy(pixels), "number": number, "names": [name]}
