"""`python -m nirgan benchmark`: run a suite and write its tables and figures."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from nirgan.benchmark.suite import Suite
from nirgan.errors import needs_extra
from nirgan.experiment.config_errors import VerbParser, parse


def main(arguments: Sequence[str]) -> int:
    """Run the verb: 0 if every run is done, 1 if some failed."""
    parser = VerbParser(
        prog="python -m nirgan benchmark",
        description="Train, judge and compare methods; go on where it was interrupted.",
    )
    parser.add_argument("--config", action="config", help="a suite, as in conf/benchmark")
    parser.add_argument(
        "--out", type=Path, help="its folder; runs/NAME for conf/benchmark/NAME.yaml"
    )
    parser.add_argument(
        "--costs",
        type=bool,
        default=False,
        help="at the end, time every method; on a machine that does nothing else",
    )
    parser.add_class_arguments(Suite, as_group=False)
    options = parse(parser, arguments)
    files = [Path(str(file)) for file in options.pop("config") or []]
    out = options.pop("out") or Path("runs") / (files[0].stem if files else "benchmark")
    costs = options.pop("costs")
    suite = Suite(**options.as_dict())

    with needs_extra("benchmark", "figures"):
        from nirgan.benchmark.figures import draw  # noqa: PLC0415 (help comes at once)
    from nirgan.benchmark.collect import COSTS_FILE, collect  # noqa: PLC0415
    from nirgan.benchmark.costs import measure  # noqa: PLC0415
    from nirgan.benchmark.progress import SuiteProgress  # noqa: PLC0415
    from nirgan.benchmark.report import summary  # noqa: PLC0415
    from nirgan.benchmark.runner import finished, run_all  # noqa: PLC0415
    from nirgan.benchmark.tables import as_csv, blocks  # noqa: PLC0415
    from nirgan.evaluation import markdown  # noqa: PLC0415
    from nirgan.experiment.lightning_cli import silence_lightning  # noqa: PLC0415
    from nirgan.utils.atomic_write import write_json, write_text  # noqa: PLC0415

    silence_lightning()
    runs = suite.runs()

    def write_results() -> dict[str, Any]:
        results = collect(suite, runs, out)
        write_json(out / "results.json", results)
        write_text(out / "table.md", markdown.page(blocks({"": results})))
        write_text(out / "table.csv", as_csv(results))
        return results

    with closing(SuiteProgress(runs, lambda run: finished(suite, out, run))) as progress:
        failed = run_all(suite, runs, out, progress, write_results)
    if costs and failed:
        print("costs are not measured: some runs failed")
    elif costs:
        write_json(out / COSTS_FILE, measure(runs, print))
    results = write_results()
    print(f"\n{summary({'': results})}\n")
    print(f"In {out}: table.md, table.csv, results.json, figures/")
    print(f"One page of all: python -m nirgan report {out}")
    for run in (run for run in runs if run.key in failed):
        why = str(failed[run.key]).partition("\n")[0]
        told = f"{out}/runs/{run.key}/failed.txt"
        print(f"failed: {run}: {why}; see {told}; the same command tries it again")
    draw(suite, runs, results, out)
    return int(bool(failed))
