"""`python -m nirgan sweep`: a sweep file without an account, a server or a network."""

from collections.abc import Sequence
from pathlib import Path

from nirgan.errors import NirganError, needs_extra
from nirgan.experiment.config_errors import VerbParser, parse
from nirgan.sweeps.file import Sweep, read

DEFAULT_TRIALS = 20
"""Trials if neither command line nor file gives a number; a grid runs all its points."""


def main(arguments: Sequence[str]) -> int:
    """Run the verb: 0 if some trial is complete, 1 if none is."""
    parser = VerbParser(
        prog="python -m nirgan sweep",
        description="Run a sweep file of Weights & Biases here; go on where it was interrupted.",
    )
    parser.add_argument("file", type=Path, help="a sweep file, as in sweeps/")
    parser.add_argument(
        "--trials",
        type=int,
        help=f"how many; all of a grid, the file's run_cap, or {DEFAULT_TRIALS}; more are added "
        "later",
    )
    parser.add_argument("--workers", type=int, default=1, help="trials at the same time, here")
    parser.add_argument("--out", type=Path, help="its folder; runs/sweeps/NAME for NAME.yaml")
    parser.add_argument(
        "--storage",
        help="URL of a database that several machines share; SQLite in the folder by default",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the values that are chosen")
    options = parse(parser, arguments)
    for name in ("trials", "workers"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise NirganError(f"--{name}: expected 1 or more, got {getattr(options, name)}")
    sweep = read(options.file)
    out = options.out or Path("runs/sweeps") / sweep.file.stem
    with needs_extra("sweep", options.file):
        from nirgan.sweeps.run import run  # noqa: PLC0415 (help comes at once)

    slots = _slots(sweep, options.trials)
    return int(not run(sweep, out, options.storage, slots, options.workers, options.seed))


def _slots(sweep: Sweep, asked: int | None) -> int:
    if sweep.method != "grid":
        return asked or sweep.run_cap or DEFAULT_TRIALS
    points = len(sweep.grid())
    return min(points, asked or sweep.run_cap or points)
