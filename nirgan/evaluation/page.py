"""Writes an HTML page that holds its style, script and pictures."""

import base64
import html
import re
from collections.abc import Iterable, Sequence
from typing import Any

Block = tuple[str, Any]
"""A part of a page: `h1`, `h2`, `p` or `notes` and its text, `table` and its head and rows, which a
click on a column's head sorts, or `figure` and its name, PNG and lines below."""

STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 90em; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .6em; border-bottom: 1px solid #ddd; text-align: right; }
th, td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { cursor: pointer; border-bottom: 2px solid #888; }
th[aria-sort=ascending]::after { content: " \\25B2"; }
th[aria-sort=descending]::after { content: " \\25BC"; }
tbody tr:hover { background: #f3f3f3; }
img { max-width: 100%; }
figcaption, .notes { color: #555; max-width: 50em; }
.wide { overflow-x: auto; }"""

SCRIPT = """\
for (const head of document.querySelectorAll("th")) head.onclick = () => {
  const table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = row => {
    const text = row.cells[column].textContent, number = parseFloat(text.replace(/,/g, ""));
    return isNaN(number) ? (text ? [1, text] : [2, ""]) : [0, number];
  };
  const order = (a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0) * (down ? -1 : 1);
  [...body.rows].sort((a, b) => order(value(a), value(b))).forEach(row => body.append(row));
};"""


def page(title: str, blocks: Iterable[Block]) -> str:
    """Write the blocks of a page as HTML, in their order."""
    body = "\n".join(_block(*block) for block in blocks)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{_text(title)}</title>\n<style>\n{STYLE}\n</style></head>\n<body>\n{body}\n"
        f"<script>\n{SCRIPT}\n</script>\n</body></html>\n"
    )


def _block(kind: str, content: Any) -> str:
    if kind == "table":
        head, *rows = content
        body = "\n".join(_line("td", row) for row in rows)
        cells = f"<table><thead>{_line('th', head)}</thead><tbody>\n{body}\n</tbody></table>"
        return f"<div class=wide>{cells}</div>"
    if kind == "figure":
        name, png, caption = content
        data = base64.b64encode(png).decode()
        return (
            f'<figure><img alt="{_text(name)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{'<br>'.join(map(_text, caption))}</figcaption></figure>"
        )
    if kind == "notes":
        return f"<p class=notes>{_text(content)}</p>"
    return f"<{kind}>{_text(content)}</{kind}>"


def _text(plain: str) -> str:
    """Escape text, and convert Markdown's `**` and backticks."""
    bold = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", html.escape(plain))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", bold)


def _line(tag: str, line: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_text(cell)}</{tag}>' for cell in line)}</tr>"
