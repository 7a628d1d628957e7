"""A hook of mkdocs: what lies outside of docs/ is in the site too, and links lead there."""

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
CARD = "nirgan/inference/weights/default"
OUTSIDE = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "CITATION.cff", "results")
LINK = re.compile(r"(\]\()([^)#:\s]+)([)#])")


def place(path: str) -> str:
    """Where a file of the repository stands in the site."""
    if path == f"{CARD}/README.md":
        return "card.md"
    return path.removeprefix("docs/").replace(f"{CARD}/", "")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what documents link to."""
    inside = [ROOT / name for name in OUTSIDE] + [ROOT / CARD / "README.md"]
    found = [f for start in inside for f in (start.rglob("*") if start.is_dir() else [start])]
    for file in found:
        if file.is_file():
            path = file.relative_to(ROOT).as_posix()
            files.append(File.generated(config, place(path), abs_src_path=str(file)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links between files of the repository to their places in the site."""
    here = Path(page.file.abs_src_path or ROOT).parent

    def moved(link: re.Match[str]) -> str:
        path = os.path.relpath(here / link[2], ROOT).replace(os.sep, "/")
        start = Path(page.file.src_uri).parent
        return link[1] + os.path.relpath(place(path), start).replace(os.sep, "/") + link[3]

    return LINK.sub(moved, markdown)
