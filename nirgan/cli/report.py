"""`python -m nirgan report`: finished benchmarks side by side, without training anything."""

from collections.abc import Sequence
from pathlib import Path

from nirgan.benchmark.report import BEGIN, END, insert, read_all, summary, write
from nirgan.experiment.config_errors import VerbParser, parse


def main(arguments: Sequence[str]) -> int:
    """Run the verb."""
    parser = VerbParser(
        prog="python -m nirgan report",
        description="Finished benchmarks side by side: one HTML page, and the same as Markdown.",
    )
    parser.add_argument("results", nargs="+", type=Path, help="folders of finished benchmarks")
    parser.add_argument("--out", type=Path, default=Path("runs/report"), help="where it is put")
    parser.add_argument(
        "--into", type=Path, help=f"put the overview into a text, between {BEGIN} and {END}"
    )
    options = parse(parser, arguments)
    named = read_all(options.results)
    if options.into:
        insert(options.into, summary(named))
        print(f"The overview is in {options.into}")
        return 0
    write(options.out, named, options.results)
    print(f"{summary(named)}\n\nIn {options.out}: report.html, report.md")
    return 0
