"""Draws patches as a pure function of (seed, epoch, index).

There is no generator with a state: the patches do not depend on the number of workers and ranks,
and an experiment can resume anywhere in an epoch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import DistributedSampler, Sampler

from nirgan.data.sources.base import PixelsInPlace
from nirgan.utils.rect import Rect

Hashes = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]


def hash_counter(seed: int, stream: int, numbers: npt.NDArray[Any]) -> Hashes:
    """A counter-based random number generator: 64-bit hashes by the finalizer of SplitMix64.

    Args:
        seed: Seed of the experiment.
        stream: The hashes of different streams are independent.
        numbers: Counters, any shape.
    """
    state = numbers.astype(np.uint64)
    with np.errstate(over="ignore"):  # wraps modulo 2**64
        for part in (seed, stream):
            state = _mix(
                state + np.uint64(part & 0xFFFFFFFFFFFFFFFF) * np.uint64(0xD1342543DE82EF95)
            )
    return state


def _mix(state: Hashes) -> Hashes:
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@dataclass(frozen=True)
class Region(Rect):
    """A rectangle of a pair, in pixels, that patches may be drawn from."""

    pair: int

    def of(self, images: Sequence[npt.NDArray[Any] | PixelsInPlace]) -> npt.NDArray[Any]:
        """The pixels of the region, given the images of all pairs, each H x W x C."""
        return images[self.pair][self.inner]


@dataclass(frozen=True)
class PatchDraw:
    """Patches: pair, index of the region, upper left corner, and a random hash to augment by."""

    pair: Integers
    region: Integers
    top: Integers
    left: Integers
    hash: Hashes


class PatchTable:
    """All positions of patches.

    Categories take turns; pairs of a category and positions in a pair are drawn uniformly.

    Args:
        regions: Where patches may lie, each at least a patch high and wide.
        categories: The category of every pair.
        patch: Height and width of a patch in pixels.
    """

    def __init__(self, regions: Sequence[Region], categories: Sequence[str], patch: int) -> None:
        self.regions = ordered = sorted(regions, key=lambda region: region.pair)
        down, self._across = (
            np.array([r.shape for r in ordered], np.int64).reshape(-1, 2).T - patch + 1
        )
        places = down * self._across  # of every region
        self._end = np.cumsum(places)
        self._start = self._end - places
        self._corner = np.array([(r.top, r.left) for r in ordered], np.int64).reshape(-1, 2)
        pairs = np.array([r.pair for r in ordered], np.int64)
        self._pair, first, count = np.unique(pairs, return_index=True, return_counts=True)
        self._first = self._start[first]
        self._places = self._end[first + count - 1] - self._first
        names, group = np.unique([categories[p] for p in self._pair], return_inverse=True)
        self.categories = len(names)
        self._member = np.argsort(group, kind="stable")
        self._group_size = np.bincount(group).astype(np.uint64)
        self._group_start = np.cumsum(self._group_size) - self._group_size

    def draw(self, seed: int, numbers: Sequence[int] | Integers) -> PatchDraw:
        """Draw the patches of numbers; number = epoch x patches per epoch + index."""
        number = np.asarray(numbers, np.int64)
        group = number % self.categories
        nth = hash_counter(seed, 1, number) % self._group_size[group]
        row = self._member[(self._group_start[group] + nth).astype(np.int64)]
        offset = hash_counter(seed, 2, number) % self._places[row].astype(np.uint64)
        place = self._first[row] + offset.astype(np.int64)
        region = np.searchsorted(self._end, place, side="right")
        down, right = np.divmod(place - self._start[region], self._across[region])
        top, left = self._corner[region, 0] + down, self._corner[region, 1] + right
        return PatchDraw(self._pair[row], region, top, left, hash_counter(seed, 3, number))


class PatchBatchSampler(Sampler[list[int]]):
    """Distributes the numbers of patches over batches and ranks.

    An epoch is the same set of patches for any number of ranks, in training but for the last: rank
    r of n gets part r of every full batch of n x `batch_size`; in validation, every n-th batch.

    Args:
        patches: Patches per epoch.
        batch_size: Patches per batch of one rank.
        rank: Rank of this process.
        ranks: Number of ranks.
        training: If true, patches are new every epoch and an incomplete last batch is dropped; if
            false, they are always the same and each belongs to one rank.
    """

    def __init__(
        self, patches: int, batch_size: int, rank: int = 0, ranks: int = 1, *, training: bool
    ) -> None:
        self.patches, self.batch_size = patches, batch_size
        self.rank, self.ranks, self.training = rank, ranks, training
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning as each epoch begins."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Batches per epoch of this rank."""
        if self.training:
            return self.patches // (self.batch_size * self.ranks)
        batches = -(-self.patches // self.batch_size)
        return len(range(self.rank, batches, self.ranks))

    def __iter__(self) -> Iterator[list[int]]:
        base = self.epoch * self.patches if self.training else 0
        for batch in range(len(self)):
            start = (batch * self.ranks + self.rank) * self.batch_size
            stop = min(start + self.batch_size, self.patches)
            yield list(range(base + start, base + stop))


class ResumedSampler(DistributedSampler[Any]):
    """Skips the batches of an epoch that a resumed run was trained on before.

    It is a `DistributedSampler` for Lightning alone, which then does not share out anew what is
    shared out among ranks already.

    Args:
        sampler: Samples whole epochs.
        epoch: The epoch in which the run resumes.
        done: How many of its batches are done.
    """

    def __init__(self, sampler: Sampler[Any] | Sequence[Any], epoch: int, done: int) -> None:
        self.sampler, self.entered, self.done = sampler, epoch, done
        self.set_epoch(epoch)  # workers fetch batches before Lightning sets the epoch

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning as each epoch begins."""
        self.epoch = epoch
        if isinstance(self.sampler, PatchBatchSampler):
            self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        """Batches of a whole epoch; Lightning counts the skipped ones as fetched."""
        return len(self.sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        return islice(self.sampler, self.done if self.epoch == self.entered else 0, None)
