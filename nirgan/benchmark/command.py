"""`python -m nirgan benchmark`: do the runs of a suite, and put down what came out."""

import logging
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from nirgan.benchmark.suite import Suite
from nirgan.errors import NirganError
from nirgan.explain import check_files, explain


def main(arguments: Sequence[str]) -> int:
    """Run the verb: 0 if every run is done, 1 if some failed."""
    check_files(arguments)
    parser = ArgumentParser(
        prog="python -m nirgan benchmark",
        description="Train, judge and compare methods; go on where it was interrupted.",
        exit_on_error=False,
    )
    parser.add_argument("--config", action="config", help="a suite, as in conf/benchmark")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark"), help="its folder")
    parser.add_class_arguments(Suite, as_group=False)
    try:
        options = parser.parse_args(list(arguments))
        out = options.pop("out")
        options.pop("config", None)
        suite = Suite(**parser.instantiate_classes(options).as_dict())
    except NirganError:
        raise
    except Exception as error:
        raise NirganError(explain(str(error), parser)) from error

    from nirgan.benchmark.progress import Progress  # noqa: PLC0415 (help comes at once)
    from nirgan.benchmark.runner import do, result_file  # noqa: PLC0415

    for library in ("lightning.pytorch", "lightning.fabric"):  # what they say of every run
        logging.getLogger(library).setLevel(logging.WARNING)
    runs = suite.runs()
    progress = Progress(runs, lambda run: result_file(out, run).exists())
    try:
        failed = do(suite, runs, out, progress, lambda: None)
    finally:
        progress.close()
    for run in failed:
        print(f"failed: {run}, see {out}/runs/{run.key}/failed.txt")
    return int(bool(failed))
