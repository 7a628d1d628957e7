"""Finished benchmarks side by side, without training anything.

One HTML page that opens offline, its figures inside, and the same as Markdown.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nirgan.benchmark.tables import Results, blocks
from nirgan.errors import NirganError
from nirgan.evaluation import markdown, page
from nirgan.evaluation.page import Block
from nirgan.metrics import MAIN, METRICS
from nirgan.utils.atomic_write import write_text

BEGIN, END = "<!-- nirgan report -->", "<!-- end of nirgan report -->"
TITLE = "nirgan: benchmarks"


def read_all(paths: Sequence[Path]) -> dict[str, Results]:
    """Load results by the names of their folders, given the folders or the `results.json` in them.

    Raises:
        NirganError: There are none in one, or two folders have one name.
        OSError: One cannot be read.
    """
    named = {_folder(path).name: _read(path) for path in paths}
    if len(named) < len(paths):
        raise NirganError("two of the folders have one name; rename one")
    return named


def write(out: Path, named: Mapping[str, Results], paths: Sequence[Path]) -> None:
    """Write `report.md` and `report.html` into a folder, from what `read_all` gave of the paths."""
    start, runs = [("h1", TITLE), *blocks(named)], list(_runs(named))
    write_text(out / "report.md", markdown.page([*start, *runs]))
    write_text(out / "report.html", page.page(TITLE, [*start, *_figures(paths), *runs]))


def summary(named: Mapping[str, Results]) -> str:
    """Budgets and the overview, as Markdown."""
    return markdown.page(list(blocks(named))[:2]).strip()


def insert(file: Path, text: str) -> None:
    """Put a text between the two marks of a file.

    Raises:
        NirganError: Its marks are missing.
        OSError: It cannot be read.
    """
    before, begin, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NirganError(f"{file}: has no place for it; put the lines {BEGIN} and {END} there")
    write_text(file, f"{before}{begin}\n{text}\n{end}{after}")


def _read(path: Path) -> Results:
    file = path / "results.json" if path.is_dir() else path
    try:
        results: Results = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise NirganError(f"{file}: not JSON ({error})") from error
    if not isinstance(results, dict) or "tables" not in results:
        raise NirganError(f"{file}: not of a benchmark; give the folder that `benchmark` wrote")
    return results


def _folder(path: Path) -> Path:
    return path.resolve() if path.is_dir() else path.resolve().parent


def _runs(named: Mapping[str, Results]) -> Iterator[Block]:
    for results in named.values():
        yield "h2", "Runs"
        rows = [
            {key: str(run[key]) for key in ("method", "category", "protocol", "fold", "seed")}
            | {METRICS[MAIN].label: METRICS[MAIN].text(run[MAIN])}
            | {"patches": f"{run['patches_seen']:,}", "minutes": f"{run['seconds'] / 60:.1f}"}
            | {key: run[key] for key in ("commit", "machine")}
            for run in results["runs"]
        ]
        yield "table", markdown.lines(rows)


def _figures(paths: Sequence[Path]) -> Iterator[Block]:
    for folder in map(_folder, paths):
        shown = folder / "figures/shown.txt"
        captions = shown.read_text(encoding="utf-8").splitlines() if shown.is_file() else []
        for file in sorted(folder.glob("figures/*.png")):
            caption = [line for line in captions if line.startswith(f"{file.stem}:")]
            yield "figure", (file.stem, file.read_bytes(), [folder.name, *caption])
