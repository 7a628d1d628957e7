"""Finished benchmarks side by side, without training anything.

One HTML page that opens offline, its figures inside, and the same as Markdown.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nirgan.benchmark.tables import NOTES, Results, budget, cells, heading, overview, sentence
from nirgan.errors import NirganError
from nirgan.evaluation import page
from nirgan.evaluation.markdown import table
from nirgan.utils.atomic_write import write_text

BEGIN, END = "<!-- nirgan report -->", "<!-- end of nirgan report -->"


def read_all(folders: Sequence[Path]) -> dict[str, Results]:
    """Load the results of several benchmarks, by the names of their folders.

    Raises:
        NirganError: There are none, or two folders have one name.
    """
    named = {_name(path): read(path) for path in folders}
    if len(named) < len(folders):
        raise NirganError("two of the folders have one name; rename one")
    return named


def write(out: Path, named: Mapping[str, Results], folders: Sequence[Path]) -> None:
    """Write `report.md` and `report.html`.

    Args:
        out: The folder.
        named: From `read_all`.
        folders: Of the same benchmarks; their figures are put into the page.
    """
    figures = {_name(path): _figures(path) for path in folders}
    captions = {_name(path): _captions(path) for path in folders}
    write_text(out / "report.md", as_markdown(named))
    write_text(out / "report.html", as_html(named, figures, captions))


def read(path: Path) -> Results:
    """Load the results of a benchmark.

    Args:
        path: Its folder, or the `results.json` in it.

    Raises:
        NirganError: There are none.
    """
    file = path / "results.json" if path.is_dir() else path
    try:
        results: Results = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise NirganError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise NirganError(f"{file}: not JSON ({error})") from error
    if not isinstance(results, dict) or "tables" not in results:
        raise NirganError(f"{file}: not of a benchmark; give the folder that `benchmark` wrote")
    return results


def summary(named: Mapping[str, Results]) -> str:
    """Budgets and the overview, as Markdown."""
    return f"{_budgets(named)}\n\n{table(overview(_labelled(named)))}"


def as_markdown(named: Mapping[str, Results]) -> str:
    """Everything, as Markdown."""
    parts = ["# nirgan: benchmarks", summary(named), NOTES]
    for title, lines, comments in _sections(named):
        parts += [f"## {title}", table(lines), *comments]
    parts += [f"## Runs\n\n{table(_runs(results))}" for results in named.values()]
    return "\n\n".join(parts) + "\n"


def as_html(
    named: Mapping[str, Results],
    figures: Mapping[str, Mapping[str, bytes]],
    captions: Mapping[str, Sequence[str]],
) -> str:
    """Everything, and the figures, as one page.

    Args:
        named: Results by name.
        figures: PNG by name of the results and of the figure.
        captions: By name of the results, lines that begin with a figure's name.
    """
    parts = [
        "<h1>nirgan: benchmarks</h1>",
        f"<p>{page.text(_budgets(named))}</p>",
        page.table(overview(_labelled(named))),
        f"<p class=notes>{page.text(NOTES)}</p>",
    ]
    for title, lines, comments in _sections(named):
        parts += [f"<h2>{page.text(title)}</h2>", page.table(lines)]
        parts += [f"<p>{page.text(comment)}</p>" for comment in comments]
    for name, pictures in figures.items():
        for figure, png in pictures.items():
            said = [line for line in captions[name] if line.startswith(f"{figure}:")]
            parts.append(page.figure(figure, png, [name, *said]))
    parts += [f"<h2>Runs</h2>\n{page.table(_runs(results))}" for results in named.values()]
    return page.page("nirgan: benchmarks", parts)


def insert(file: Path, text: str) -> None:
    """Put a text between the two marks of a file.

    Raises:
        NirganError: The file or its marks are missing.
    """
    try:
        whole = file.read_text(encoding="utf-8")
    except OSError as error:
        raise NirganError(f"{file}: cannot be read ({error.strerror})") from error
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NirganError(f"{file}: has no place for it; put the lines {BEGIN} and {END} there")
    write_text(file, f"{before}{begin}\n{text}\n{end}{after}")


def _sections(named: Mapping[str, Results]) -> Iterator[tuple[str, list[list[str]], list[str]]]:
    """Title, lines under a head, and what is said below, of every table."""
    for name, results in _labelled(named).items():
        start = f"{name}: " if name else ""
        for one in results["tables"]:
            comments = [sentence(comparison) for comparison in one["comparisons"]]
            yield f"{start}{heading(one)}", cells(one), comments


def _runs(results: Results) -> list[list[str]]:
    head = ["method", "category", "protocol", "fold", "seed", "angular error", "patches"]
    lines = [[*head, "minutes", "commit", "machine"]]
    for run in results["runs"]:
        what = [str(run[key]) for key in ("method", "category", "protocol", "fold", "seed")]
        error = f"{run['angular_error']:.2f}"
        seen, minutes = f"{run['patches_seen']:,}", f"{run['seconds'] / 60:.1f}"
        lines.append([*what, error, seen, minutes, run["commit"], run["machine"]])
    return lines


def _figures(path: Path) -> dict[str, bytes]:
    folder = (path if path.is_dir() else path.parent) / "figures"
    return {file.stem: file.read_bytes() for file in sorted(folder.glob("*.png"))}


def _captions(path: Path) -> list[str]:
    file = (path if path.is_dir() else path.parent) / "figures/shown.txt"
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def _name(path: Path) -> str:
    return path.resolve().name if path.is_dir() else path.resolve().parent.name


def _labelled(named: Mapping[str, Results]) -> Mapping[str, Results]:
    """A single one needs no name."""
    return named if len(named) > 1 else {"": next(iter(named.values()))}


def _budgets(named: Mapping[str, Results]) -> str:
    lines = (f"{name}: {budget(r)}" if name else budget(r) for name, r in _labelled(named).items())
    return " ".join(lines)
