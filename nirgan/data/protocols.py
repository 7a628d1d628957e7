"""Which pixels are trained on and which are judged.

`within-images` is the paper's protocol: training and validation patches both come from all images.
The paper does not say that they do not overlap; here each image keeps a vertical band for
validation that no training patch touches. What remains is that the scene itself, its light and
its colors, has been seen. `across-scenes` takes that away: a scene is trained on or judged, never
both.
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
"""The share of an image's width that `within-images` keeps for validation."""


def within_images(
    pairs: Sequence[Pair], sizes: Sequence[Size], patch: int, seed: int
) -> tuple[list[Region], list[Region]]:
    """Split every image into a validation band and the rest.

    The band is vertical, so that it holds ground and sky in the image's own proportion. Where it
    lies depends on the pair's name and the seed alone: a network trained on all categories is
    judged on one in pixels that it has not seen.

    Args:
        pairs: Whose images they are.
        sizes: Height and width of every image in pixels.
        patch: Height and width of a patch in pixels.
        seed: Where the band lies in each image.

    Returns:
        The training and the validation regions.

    Raises:
        NirganError: An image is too narrow to hold a patch of each.
    """
    training, validation = [], []
    places = hash_counter(seed, 11, _keys(pair.name for pair in pairs))
    for number, ((height, width), place) in enumerate(zip(sizes, places, strict=True)):
        if width < 2 * patch:
            raise NirganError(
                f"{pairs[number].name}: {width} pixels wide, but protocol within-images needs "
                f"{2 * patch} (a training and a validation patch); use across-scenes"
            )
        band = min(max(patch, round(RESERVED_FRACTION * width)), width - patch)
        left = int(place % np.uint64(width - band + 1))
        # A rest narrower than a patch is of no use: the band moves over it.
        left = 0 if left < patch else left
        left = width - band if width - band - left < patch and left > 0 else left
        validation.append(Region(number, 0, left, height, band))
        for start, stop in ((0, left), (left + band, width)):
            if stop - start >= patch:
                training.append(Region(number, 0, start, height, stop - start))
    return training, validation


def across_scenes(
    pairs: Sequence[Pair],
    sizes: Sequence[Size],
    fold: int,
    seed: int,
    unused: Sequence[int] = (),
) -> tuple[list[Region], list[Region]]:
    """Keep whole scenes for validation: one fold of five.

    Args:
        pairs: With the fold that their data set publishes, or None; those are dealt into five
            folds by scene, a category at a time.
        sizes: Height and width of every image in pixels.
        fold: The one kept, 0 to 4.
        seed: Of the dealing; a category's does not depend on the others.
        unused: Folds that are in neither set.

    Returns:
        The training and the validation regions.

    Raises:
        NirganError: A scene would be in both sets, or one of the sets is empty.
    """
    folds = _folds(pairs, seed)
    sets: tuple[list[Region], list[Region]] = ([], [])
    seen: defaultdict[str, set[int]] = defaultdict(set)
    for number, (pair, (height, width)) in enumerate(zip(pairs, sizes, strict=True)):
        if folds[number] in unused:
            continue
        kept = int(folds[number] == fold)
        seen[pair.scene].add(kept)
        sets[kept].append(Region(number, 0, 0, height, width))
    leaks = sorted(scene for scene, kept in seen.items() if len(kept) == 2)
    if leaks:
        raise NirganError(
            f"scene {leaks[0]} is in the training and in the validation set of fold {fold} "
            f"({len(leaks)} such scenes); give all pairs of a scene one fold"
        )
    for regions, what in zip(sets, ("training", "validation"), strict=True):
        if not regions:
            scenes = len(seen)
            raise NirganError(
                f"fold {fold} of {FOLDS} leaves no {what} pairs ({scenes} scenes in all); "
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
