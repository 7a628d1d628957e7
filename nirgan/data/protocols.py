"""Splits pictures into training and validation regions.

`within-images` is the paper's protocol: training and validation patches both come from all images.
The paper does not say that they do not overlap; here a vertical strip of each image is reserved for
validation, which no training patch overlaps. The scene itself, its light and its colors, is still
seen in training. With `across-scenes`, no scene is in both sets.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from nirgan.data.patches import Region, hash_counter
from nirgan.data.sources.base import Pair
from nirgan.errors import NirganError

SplitProtocol = Literal["within-images", "across-scenes"]
Size = tuple[int, int]

FOLDS = 5
RESERVED_FRACTION = 0.2
"""Fraction of the width of an image that `within-images` reserves for validation."""
PAPER_PATCH_PX = 64
"""Height and width of the paper's patches."""


def within_images(
    pairs: Sequence[Pair], sizes: Sequence[Size], patch: int, seed: int
) -> tuple[list[Region], list[Region]]:
    """Split every image into a validation strip and the rest.

    The strip is vertical, so that it contains ground and sky in the proportion of the image. Its
    position depends only on the pair's name, the seed and the patch (see `strip_patch`), so that a
    network trained on all categories has not seen the validation pixels of any.

    Args:
        pairs: The pairs of the images.
        sizes: Height and width of every image in pixels, at least two patches wide.
        patch: Height and width of a patch in pixels.
        seed: Seed of the positions of the strips.

    Returns:
        The training and the validation regions.
    """
    training, validation = [], []
    places = hash_counter(seed, 11, _keys(pair.name for pair in pairs))
    for number, ((height, width), place) in enumerate(zip(sizes, places, strict=True)):
        strip = min(max(patch, round(RESERVED_FRACTION * width)), width - patch)
        left = int(place % np.uint64(width - strip + 1))
        # The strip is moved to the edge if less than a patch would remain beside it.
        left = 0 if left < patch else left
        left = width - strip if width - strip - left < patch and left > 0 else left
        validation.append(Region(0, left, height, left + strip, number))
        for start, stop in ((0, left), (left + strip, width)):
            if stop - start >= patch:
                training.append(Region(0, start, height, stop, number))
    return training, validation


def strip_patch(pairs: Sequence[Pair], sizes: Sequence[Size], patch: int) -> int:
    """The patch size that the strips of `within_images` are cut for, given that of the network.

    So that networks of larger patches are judged on the same pixels as others, it is the paper's
    for them too, if the strips of half of the images of each category hold a patch. The others are
    judged all the same, but have no validation patches.
    """
    widths: defaultdict[str, list[int]] = defaultdict(list)
    for pair, (_, width) in zip(pairs, sizes, strict=True):
        widths[pair.category].append(width)
    narrowest = min(float(np.median(some)) for some in widths.values())
    return min(patch, PAPER_PATCH_PX) if narrowest * RESERVED_FRACTION >= patch else patch


def across_scenes(
    pairs: Sequence[Pair],
    sizes: Sequence[Size],
    fold: int,
    seed: int,
    unused: Sequence[int] = (),
) -> tuple[list[Region], list[Region]]:
    """Reserve whole scenes for validation: one fold of five.

    Args:
        pairs: Pairs with the fold that their data set publishes; those without one are divided
            into five folds by scene, for each category.
        sizes: Height and width of every image in pixels.
        fold: The validation fold, 0 to 4.
        seed: Seed of the division, in which categories are independent.
        unused: Folds that are in neither set.

    Returns:
        The training and the validation regions.

    Raises:
        NirganError: A fold is none of the five, a scene would be in both sets, or one of the sets
            is empty.
    """
    folds = _folds(pairs, seed)
    for pair, number in zip(pairs, folds, strict=True):
        if number not in range(FOLDS):  # it would never be judged
            raise NirganError(f"{pair.name}: its fold is {number}, expected 0 to {FOLDS - 1}")
    sets: tuple[list[Region], list[Region]] = ([], [])
    seen: defaultdict[str, set[int]] = defaultdict(set)
    for number, (pair, (height, width)) in enumerate(zip(pairs, sizes, strict=True)):
        if folds[number] in unused:
            continue
        kept = int(folds[number] == fold)
        seen[pair.scene].add(kept)
        sets[kept].append(Region(0, 0, height, width, number))
    leaks = sorted(scene for scene, kept in seen.items() if len(kept) == 2)
    if leaks:
        raise NirganError(
            f"scene {leaks[0]} is in the training and in the validation set of fold {fold} "
            f"({len(leaks)} such scenes); give all pairs of a scene one fold"
        )
    for regions, what in zip(sets, ("training", "validation"), strict=True):
        if not regions:
            raise NirganError(
                f"fold {fold} of {FOLDS} leaves no {what} pairs ({len(seen)} scenes in all); "
                "set data.fold to another, or add scenes"
            )
    return sets


def _folds(pairs: Sequence[Pair], seed: int) -> list[int]:
    dealt: dict[str, int] = {}
    turn: defaultdict[str, int] = defaultdict(int)
    order = np.argsort(hash_counter(seed, 12, _keys(pair.scene for pair in pairs)), kind="stable")
    for pair in (pairs[i] for i in order):
        if pair.fold is None and pair.scene not in dealt:
            dealt[pair.scene] = turn[pair.category] % FOLDS
            turn[pair.category] += 1
    return [dealt[pair.scene] if pair.fold is None else pair.fold for pair in pairs]


def _keys(names: Iterable[str]) -> npt.NDArray[np.uint64]:
    digests = (hashlib.sha256(name.encode()).digest() for name in names)
    return np.array([int.from_bytes(digest[:8]) for digest in digests], np.uint64)
