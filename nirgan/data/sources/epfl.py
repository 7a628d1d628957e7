"""The EPFL RGB-NIR Scene Dataset.

Brown and Süsstrunk, "Multi-spectral SIFT for scene category recognition", CVPR 2011: 477 pairs in
nine categories, in the layout of its `nirscene1` folder, `<category>/<id>_{rgb,nir}.<ext>`.
"""

import csv
from pathlib import Path
from typing import Any

from nirgan.data.protocols import FOLDS
from nirgan.data.sources.base import FilePair, Pair, PairSource, data_root
from nirgan.errors import NirganError
from nirgan.utils.nearest_name import did_you_mean

CATEGORIES = {
    "country": 52,
    "field": 51,
    "forest": 53,
    "indoor": 56,
    "mountain": 55,
    "oldbuilding": 51,
    "street": 50,
    "urban": 58,
    "water": 51,
}
"""Pairs of each category in the original archive."""

EXTENSIONS = (".tiff", ".tif", ".png", ".jpg")


class Epfl(PairSource):
    """The pairs of some or all categories.

    A `manifest.csv` beside the categories (columns category, id, scene, fold, registered) gives
    the scene, the published fold and the registration of each pair.
    Without one every pair counts as a scene of its own.

    Args:
        categories: Names as in `CATEGORIES`; None: all nine.
        root: The folder that holds the categories, or `nirscene1`; None: `epfl` under the data
            root, see `nirgan.data.sources.base.data_root`.
        registered_only: Leave out pairs that are misregistered according to the manifest.
    """

    def __init__(
        self,
        categories: list[str] | None = None,
        root: Path | None = None,
        registered_only: bool = False,
    ) -> None:
        self.categories = categories if categories is not None else list(CATEGORIES)
        for category in self.categories:
            if category not in CATEGORIES:
                hint = did_you_mean(category, CATEGORIES)
                raise NirganError(f"source.categories: no category {category!r}{hint}")
        self.root, self.registered_only = root, registered_only

    def pairs(self) -> list[Pair]:
        """See `PairSource.pairs`."""
        folder = data_root(self.root, "epfl", ", or fetch it with `python -m nirgan download`")
        if (folder / "nirscene1").is_dir():
            folder = folder / "nirscene1"
        rows = _manifest(folder)
        if self.registered_only and not rows:
            raise NirganError(f"{folder}/manifest.csv: not there, but registered_only needs it")
        pairs: list[Pair] = []
        for category in self.categories:
            for id_, nir, rgb in _files(folder / category):
                row = rows.get((category, id_), {})
                if self.registered_only and row.get("registered") != "1":
                    continue
                scene = row.get("scene") or f"{category}/{id_}"
                pairs.append(FilePair(category, id_, scene, row.get("fold"), nir, rgb))
        return pairs


def _manifest(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows by category and id, with the fold as a number or None."""
    file = folder / "manifest.csv"
    if not file.is_file():
        return {}
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            return {
                (row["category"], row["id"]): row | {"fold": _fold(row.get("fold"))}
                for row in csv.DictReader(lines)
            }
    except (OSError, ValueError, KeyError, csv.Error) as error:
        reason = f"no column {error}" if isinstance(error, KeyError) else error
        raise NirganError(
            f"{file}: not as expected ({reason}); save it as UTF-8 with commas, and with columns "
            f"category, id, scene, fold (0 to {FOLDS - 1}) and registered"
        ) from error


def _fold(text: str | None) -> int | None:
    if not text:
        return None
    if int(text) not in range(FOLDS):
        raise ValueError(f"fold {text}")
    return int(text)


def _files(folder: Path) -> list[tuple[str, Path, Path]]:
    if not folder.is_dir():
        raise NirganError(
            f"{folder}: no such category folder; `python -m nirgan download` fetches the data set"
        )
    halves: dict[str, dict[str, Path]] = {"nir": {}, "rgb": {}}
    for file in sorted(folder.iterdir()):
        id_, _, band = file.stem.rpartition("_")
        if file.suffix.lower() in EXTENSIONS and band in halves:
            if id_ in halves[band]:
                raise NirganError(f"{file}: {halves[band][id_].name} is there too; remove one")
            halves[band][id_] = file
    nir, rgb = halves["nir"], halves["rgb"]
    both = nir.keys() & rgb.keys()
    lonely = [half[id_] for half in (nir, rgb) for id_ in sorted(half.keys() - both)]
    if lonely:
        raise NirganError(
            f"{lonely[0]}: the other half of the pair is missing ({len(lonely)} such files)"
        )
    if not nir:
        raise NirganError(f"{folder}: no <id>_nir and <id>_rgb pictures ({', '.join(EXTENSIONS)})")
    return [(id_, nir[id_], rgb[id_]) for id_ in sorted(both)]
