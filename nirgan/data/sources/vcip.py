"""The VCIP 2020 grand challenge on NIR colorization.

256x256 crops of EPFL country, field, forest and mountain scenes. Many of their scenes are in the
EPFL data set too: never train on the one and judge on the other. Crops overlap, and nothing tells
which: only those of different categories surely show different places.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from nirgan.data.sources.base import FilePair, Pair, PairSource, data_root
from nirgan.errors import NirganError

PARTS = {
    "training": ("NIR/*_nir.png", "_nir.png", "RGB-Registered/{}_rgb_reg.png"),
    "validation": ("Validation/*_nir.png", "_nir.png", "Validation/{}_rgb_reg.png"),
}


class Vcip(PairSource):
    """The challenge's pairs, in its own layout.

    Args:
        parts: Its training pairs, its validation pairs, or both.
        root: The folder that holds `NIR`, `RGB-Registered` and `Validation`; None: `vcip2020` under
            the data root, see `nirgan.data.sources.base.data_root`.
        split: `categories`: a whole category counts as one scene and one fold, so that
            `across-scenes` judges one on networks trained on the others; with the validation pairs,
            which have no category, all is one scene. `challenge`: the challenge's own, its
            validation pairs are fold 0 and its training pairs fold 1. No picture is in both, but
            whether a place is, the challenge does not tell.
    """

    def __init__(
        self,
        parts: list[Literal["training", "validation"]] | None = None,
        root: Path | None = None,
        split: Literal["categories", "challenge"] = "categories",
    ) -> None:
        self.parts = parts if parts is not None else ["training"]
        self.root, self.split = root, split

    def pairs(self) -> list[Pair]:
        """See `PairSource.pairs`."""
        folder = data_root(self.root, "vcip2020")
        pairs: list[Pair] = []
        for part in self.parts:
            pattern, ending, rgb = PARTS[part]
            files = sorted(folder.glob(pattern))
            if not files:
                raise NirganError(f"{folder}: no files {pattern}; expected the challenge's layout")
            for nir in files:
                id_ = nir.name.removesuffix(ending)
                category = id_.rstrip("0123456789_-") or part
                pairs.append(FilePair(category, id_, "vcip", None, nir, folder / rgb.format(id_)))
        categories = sorted({p.category for p in pairs})
        if self.split == "challenge":
            folds = {name: int(name != "validation") for name in categories}
        elif self.parts == ["training"]:
            folds = {name: fold for fold, name in enumerate(categories)}
        else:
            return pairs
        return [replace(p, scene=f"vcip/{p.category}", fold=folds[p.category]) for p in pairs]
