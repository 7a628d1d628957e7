"""`python -m nirgan check`: check a data set before training on it."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from nirgan.data.inspection import hints, inspect_pair, report, write_csv
from nirgan.data.sources import epfl, folder, rgbn, synthetic, vcip  # noqa: F401 (for --help)
from nirgan.data.sources.base import PairSource, pairs_of
from nirgan.experiment.config_errors import VerbParser, parse


def main(arguments: Sequence[str]) -> int:
    """Run the verb: 0 if every pair can be used, 1 if not."""
    parser = VerbParser(
        prog="python -m nirgan check",
        description="Decode every pair of a data set, measure its registration, print a table.",
    )
    parser.add_argument("--config", action="config", help="a YAML file with a `source:`")
    parser.add_subclass_arguments(PairSource, "source", required=True, help="the data set")
    parser.add_argument("--patch", type=int, default=64, help="least height and width in pixels")
    parser.add_argument("--csv", type=Path, help="also write a row a pair to this file")
    options = parse(parser, arguments)
    pairs = pairs_of(options.source)
    findings = [
        inspect_pair(pair, options.patch) for pair in tqdm(pairs, desc="checking", unit="pair")
    ]
    print(report(findings))
    for hint in hints(findings, options.source):
        print(hint)
    if options.csv:
        write_csv(options.csv, findings)
    return int(any(finding.problem for finding in findings))
