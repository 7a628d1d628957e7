"""Do VCIP's crops of further scenes teach the default model more? Which, and a source of them.

    python benchmarks/vcip_crops.py --results results/regularization/crops/found.json
    PYTHONPATH=benchmarks python -m nirgan benchmark --config benchmarks/vcip_crops.yaml

A crop is found in a picture of EPFL by SIFT features of the near-infrared band (Lowe 2004) that a
homography brings together (RANSAC). Crops that are found nowhere show other scenes.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jsonargparse import auto_cli

from nirgan.data.sources.base import Pair
from nirgan.data.sources.epfl import Epfl
from nirgan.data.sources.vcip import Vcip
from nirgan.utils.atomic_write import write_json

FEATURES, FEATURES_OF_CROP = 2500, 600
MAX_RATIO = 0.8
"""Of the distances to the nearest and to the second nearest feature."""
MAX_OFFSET_PX = 3.0
FOUND = 7
"""Matching features from which on a crop counts as showing a picture; few have 8 to 33 of them."""
CROP_FOLD = 9
"""Of all crops: never judged."""

Features = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


class EpflAndCrops(Epfl):
    """EPFL's pairs, and VCIP's crops that show no scene of some folds, as categories of their own.

    Args:
        crops: Where each crop was found, as `main` writes it.
        without: Folds whose scenes no crop may show.
        known: Only crops that show a picture that is here, of another fold.
    """

    def __init__(self, crops: Path, without: Sequence[int], known: bool = False) -> None:
        super().__init__()
        self.crops, self.without, self.known = crops, without, known

    def pairs(self) -> list[Pair]:
        """See `PairSource.pairs`."""
        found = json.loads(self.crops.read_text())
        pairs = super().pairs()
        fold = {pair.name: pair.fold for pair in pairs}
        for crop in Vcip().pairs():
            place = found[crop.id]["picture"]
            if fold.get(place) in self.without or (self.known and place is None):
                continue
            category, scene = f"crops-{crop.category}", f"vcip/{crop.id}"
            pairs.append(replace(crop, category=category, scene=scene, fold=CROP_FOLD))
        return pairs


def main(results: Path) -> None:
    """Find every crop among the pictures.

    Args:
        results: JSON file: by crop, the picture, and how many features match.
    """
    cv2.setNumThreads(1)
    crops = Vcip().pairs()
    kinds = sorted({crop.category for crop in crops} | {"water"})  # of lakes below mountains
    pictures = {pair.name: _features(pair) for pair in Epfl(kinds).pairs()}
    rows: dict[str, dict[str, Any]] = {}
    for crop in crops:
        points, described = _features(crop)
        given = points[:FEATURES_OF_CROP], described[:FEATURES_OF_CROP]
        matches = {name: _matches(given, other) for name, other in pictures.items()}
        best = max(matches, key=lambda name: matches[name])
        picture = best if matches[best] >= FOUND else None
        rows[crop.id] = {"picture": picture, "matches": matches[best]}
        print(crop.id, rows[crop.id], flush=True)
    write_json(results, rows)


def _features(pair: Pair) -> Features:
    """Places, N x 2, and RootSIFT descriptors (Arandjelovic and Zisserman 2012), N x 128."""
    nir, _ = pair.load()
    grey = np.round(nir * (255 / np.iinfo(nir.dtype).max)).astype(np.uint8)
    sift = cv2.SIFT_create(FEATURES, contrastThreshold=0.01)  # type: ignore[attr-defined]
    keys, described = sift.detectAndCompute(cv2.createCLAHE(3, (8, 8)).apply(grey), None)
    roots = np.sqrt(described / described.sum(1, keepdims=True))
    return np.array([key.pt for key in keys], np.float32), roots.astype(np.float32)


def _matches(crop: Features, picture: Features) -> int:
    """How many features of the crop a homography brings to like ones of the picture."""
    alike = crop[1] @ picture[1].T
    nearest = alike.argmax(1)
    first = alike.max(1)
    np.put_along_axis(alike, nearest[:, None], -1, 1)
    near, next_ = (np.sqrt(np.maximum(2 - 2 * top, 0)) for top in (first, alike.max(1)))
    clear = near < MAX_RATIO * next_
    if clear.sum() < 8:
        return 0
    _, kept = cv2.findHomography(
        crop[0][clear], picture[0][nearest[clear]], cv2.RANSAC, MAX_OFFSET_PX
    )
    return 0 if kept is None else int(kept.sum())


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
