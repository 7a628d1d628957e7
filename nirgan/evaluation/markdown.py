"""Writes pages in Markdown, with aligned tables."""

from collections.abc import Iterable, Mapping, Sequence

from nirgan.evaluation.page import Block

MARKS = {"h1": "# ", "h2": "## "}


def page(blocks: Iterable[Block]) -> str:
    """Write the blocks of a page as Markdown, in their order."""
    parts = (table(c) if kind == "table" else MARKS.get(kind, "") + c for kind, c in blocks)
    return "\n\n".join(parts) + "\n"


def lines(rows: Sequence[Mapping[str, str]]) -> list[list[str]]:
    """Convert rows by heading to a head and lines; missing values are empty."""
    head = list(dict.fromkeys(heading for row in rows for heading in row))
    return [head, *([row.get(heading, "") for heading in head] for row in rows)]


def table(cells: Sequence[Sequence[str]]) -> str:
    """Format a head and rows; the first column is text, the others are numbers."""
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    lines = [
        " | ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in [cells[0], rule, *cells[1:]]
    ]
    return "\n".join(f"| {line} |" for line in lines)
