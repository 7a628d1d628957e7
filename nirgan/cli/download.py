"""`python -m nirgan download`: fetch the EPFL RGB-NIR scenes, or unpack a local copy."""

import os
from collections.abc import Sequence
from pathlib import Path

from nirgan.data.download import fetch, unpack
from nirgan.data.sources.epfl import CATEGORIES
from nirgan.errors import NirganError
from nirgan.experiment.config_errors import VerbParser, parse


def main(arguments: Sequence[str]) -> int:
    """Run the verb."""
    parser = VerbParser(
        prog="python -m nirgan download",
        description="Fetch the EPFL RGB-NIR scenes (952 MB, 477 pairs) and unpack them. "
        "A broken download goes on where it stopped.",
    )
    root = Path(os.environ.get("NIRGAN_DATA", "data"))
    parser.add_argument("--root", type=Path, default=root, help=f"the data root (default: {root})")
    parser.add_argument("--archive", type=Path, help="take this local nirscene1.zip instead")
    options = parse(parser, arguments)
    folder = options.root / "epfl"
    if folder.exists():
        raise NirganError(f"{folder}: it is there already; move it away to fetch it anew")
    archive = options.archive
    if archive is None:
        archive = options.root / "nirscene1.zip"
        fetch(archive)
    elif not archive.is_file():
        raise NirganError(f"--archive {archive}: no such file")
    unpack(archive, folder)
    print(f"{sum(CATEGORIES.values())} pairs are in {folder}. Set NIRGAN_DATA={options.root}")
    print("Next: python -m nirgan check --source Epfl")
    return 0
