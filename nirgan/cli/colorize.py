"""`python -m nirgan colorize`: near-infrared pictures, videos and rasters into color."""

import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from time import perf_counter
from typing import Literal

from nirgan.errors import NirganError, printable_path
from nirgan.experiment.config_errors import VerbParser, add_trust, parse
from nirgan.utils.paths import expand_home

FORMATS = {"png": ".png", "jpg": ".jpg", "tif": ".tif"}


def main(arguments: Sequence[str]) -> int:
    """Run the verb: 0 if every input is in color, 1 if some could not be used."""
    options = parse(_parser(), arguments)
    if options.largest <= 0 or (options.band is not None and options.band < 1):
        raise NirganError("--largest is more than 0 megapixels, and --band 1 or more")
    if {"", "--output="} & {*arguments}:  # pathlib takes it for the working folder
        raise NirganError("an input or --output is empty; is a variable of the shell not set?")
    from nirgan.data.scaling import Scale  # noqa: PLC0415
    from nirgan.inference.batch.jobs import is_input, plan_jobs  # noqa: PLC0415 (help comes at once)

    scale = None if options.scale is None else Scale.parse(options.scale)
    folder = expand_home(options.output)
    if is_input(folder) and not folder.is_dir():
        raise NirganError(
            f"--output {folder}: expected a folder, in which files keep their "
            "names; --format says what pictures become"
        )
    plan = plan_jobs(
        options.inputs,
        folder,
        suffix=FORMATS[options.format] if options.format else None,
        overwrite=options.overwrite,
        uncertainty=options.uncertainty,
    )
    _refuse_unused(options.format, options.depth, {job.kind for job in plan.jobs})
    problems = list(plan.problems)
    if plan.jobs:
        from nirgan.inference.batch.pipeline import Options, run_jobs  # noqa: PLC0415
        from nirgan.inference.load import load  # noqa: PLC0415

        colorizer = load(
            options.model,
            device=options.device,
            precision=options.precision,
            tile=options.tile,
            trust=options.trust,
        )
        if scale is None:
            scale = colorizer.scale
            if scale.kind != "dtype":
                print(f"--scale {scale}, with which {colorizer.name} was trained")
        how = Options(scale, options.depth, options.uncertainty, options.band, options.largest)
        started = perf_counter()
        outcome = run_jobs(colorizer, plan.jobs, how)
        rate = len(outcome.done) / (perf_counter() - started)
        problems += outcome.problems
        if outcome.hints:
            _print_list(f"{len(outcome.hints)} to look at:", outcome.hints)
        if outcome.done:
            print(f"{len(outcome.done)} colorized, in {options.output} ({rate:.1f} a second)")
    if plan.there:
        print(f"{len(plan.there)} left as they are; --overwrite makes them anew")
    if problems:
        _print_list(f"{len(problems)} could not be used:", problems)
    return int(bool(problems))


def _parser() -> VerbParser:
    parser = VerbParser(
        prog="python -m nirgan colorize",
        description="Make color of near-infrared pictures (PNG, JPEG, TIFF), videos and GeoTIFFs. "
        "The colors are guesses, and what is written says so.",
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        type=str,
        help="files, folders with all within, quoted patterns such as 'shots/**/*_nir.png'",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder; names are kept")
    parser.add_argument(
        "--model",
        default="default",
        type=str,
        help="a checkpoint, a folder with model.safetensors, an .onnx file; or the one that comes "
        "with the package",
    )
    parser.add_argument(
        "--scale",
        type=str | None,
        help="which camera values are black and white, the same for all frames and tiles: dtype "
        "(all that the type holds), LOW,HIGH (0,4095 for 12 bits), percentile, percentile:LOW,HIGH "
        "(default: as the model was trained)",
    )
    parser.add_argument(
        "--depth", type=Literal[8, 16] | None, help="bits a channel; 8 for 8-bit input, else 16"
    )
    parser.add_argument(
        "--format",
        type=Literal["png", "jpg", "tif"] | None,
        help="of pictures; as the input; videos and GeoTIFFs keep theirs",
    )
    parser.add_argument(
        "--uncertainty",
        action="store_true",
        help="beside each picture NAME.uncertainty.tif: how far off its colors may be, in degrees",
    )
    parser.add_argument("--overwrite", action="store_true", help="make anew what is there already")
    parser.add_argument(
        "--band",
        type=int | None,
        help="which is near-infrared, from 1 on: a band of a GeoTIFF, a channel of a picture or of "
        "a video, a page of a TIFF; the only one, or the one of a GeoTIFF whose name says so",
    )
    parser.add_argument(
        "--largest", type=float, default=100.0, help="megapixels; larger pictures are refused"
    )
    parser.add_argument(
        "--device", type=str | None, help="cpu, cuda, cuda:1; a GPU if there is one"
    )
    parser.add_argument(
        "--precision",
        type=Literal["fp32", "bf16", "fp16"],
        default="fp32",
        help="bf16 and fp16 are faster, and coarser than 16-bit output can show",
    )
    parser.add_argument(
        "--tile", type=int | None, help="height and width in pixels; from the free memory"
    )
    add_trust(parser, "the model")
    return parser


def _refuse_unused(kind: str | None, depth: int | None, kinds: Collection[str]) -> None:
    """Refuse a --format or --depth that none of the files, of these kinds, would get."""
    if kind and kinds and "picture" not in kinds and not (kind == "tif" and "geotiff" in kinds):
        raise NirganError(
            f"--format {kind} is for pictures; videos and GeoTIFFs keep theirs: leave it out"
        )
    if depth == 16 and kinds == {"video"}:
        raise NirganError(
            "--depth 16 is for pictures and GeoTIFFs; videos get 8 bits: leave it out"
        )


def _print_list(title: str, lines: Sequence[str]) -> None:
    print(title, *(f"  {printable_path(line)}" for line in lines), sep="\n", file=sys.stderr)
