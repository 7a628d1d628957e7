"""Pairs of one's own."""

from pathlib import Path

from nirgan.data.sources.base import FilePair, Pair, PairSource
from nirgan.errors import NirganError

EXTENSIONS = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}
SUFFIXES = {"nir": ("_nir", "-nir"), "rgb": ("_rgb", "-rgb")}


class Folder(PairSource):
    """Pairs in two folders, or by two name patterns.

    Every pair counts as a scene of its own, so `across-scenes` is honest only where no two pairs
    show the same place.

    Args:
        nir: A folder, or a pattern with one `*`, `shots/*_nir.png` say. In a folder the name
            without `_nir` is what pairs the files.
        rgb: The same for the colour pictures.
        category: What the pairs are called in tables.
    """

    def __init__(self, nir: str, rgb: str, category: str = "own") -> None:
        self.nir, self.rgb, self.category = nir, rgb, category

    def pairs(self) -> list[Pair]:
        """See `PairSource.pairs`."""
        nir, rgb = _named(self.nir, "nir"), _named(self.rgb, "rgb")
        lonely = sorted((nir | rgb)[name] for name in nir.keys() ^ rgb.keys())
        if lonely:
            shown = ", ".join(str(file) for file in lonely[:3])
            raise NirganError(
                f"{len(lonely)} pictures have no partner ({shown}{', ...' if lonely[3:] else ''}); "
                f"names must agree but for what {self.nir} and {self.rgb} say"
            )
        return [
            FilePair(self.category, name, name, None, nir[name], rgb[name]) for name in sorted(nir)
        ]


def _named(where: str, band: str) -> dict[str, Path]:
    if "*" in where:
        if where.count("*") > 1:
            raise NirganError(f"source.{band}: {where!r} has several *, expected one")
        where = str(Path(where))  # without ./ and //, as the files are named
        before, after = (len(part) for part in where.split("*"))
        named = [(str(f)[before : len(str(f)) - after], f) for f in _glob(where)]
    elif Path(where).is_dir():
        pictures = [f for f in Path(where).iterdir() if f.suffix.lower() in EXTENSIONS]
        named = [(_stem(f, band), f) for f in sorted(pictures)]
    else:
        raise NirganError(f"source.{band}: {where!r} is neither a folder nor a pattern with a *")
    if not named:
        raise NirganError(f"source.{band}: no pictures in {where!r}")
    files: dict[str, Path] = {}
    for name, file in named:
        if name in files:
            raise NirganError(f"source.{band}: {files[name]} and {file} are both called {name!r}")
        files[name] = file
    return files


def _glob(pattern: str) -> list[Path]:
    path = Path(pattern)
    fixed = next(p for p in path.parents if "*" not in str(p))
    return sorted(fixed.glob(str(path.relative_to(fixed))))


def _stem(file: Path, band: str) -> str:
    for suffix in SUFFIXES[band]:
        if file.stem.lower().endswith(suffix):
            return file.stem[: -len(suffix)]
    return file.stem
