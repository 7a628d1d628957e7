"""`python -m nirgan export`: a trained method for other programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jsonargparse import Namespace

from nirgan.errors import NirganError, printable_path
from nirgan.experiment.config_errors import VerbParser, add_trust, parse
from nirgan.utils.paths import expand_home

SUFFIX = {"onnx": ".onnx", "torch": ".pt2"}
MODEL_FILES = ("model.safetensors", "config.json", "README.md")
"""What a folder of safetensors holds, see `write_model`."""


def main(arguments: Sequence[str]) -> int:
    """Run the verb."""
    options = parse(_parser(), arguments)
    out = expand_home(options.output)
    _refuse_unused(options)
    _check_output(out, options.format, options.overwrite)
    from nirgan.inference.load import load  # noqa: PLC0415 (help comes at once)

    colorizer = load(options.model, device="cpu", trust=options.trust)
    if "generator" not in colorizer.config:
        raise NirganError(f"{options.model}: exported already; give the model that it was made of")
    if options.format == "safetensors":
        from nirgan.inference.models.pretrained import write_model  # noqa: PLC0415

        write_model(out, colorizer.generator, colorizer.config, half=options.half)
        print(f"{printable_path(out)}: weights, their configuration and a card")
        return 0
    from nirgan.data.scaling import Limits, Scale  # noqa: PLC0415
    from nirgan.inference.export.program import export_verified  # noqa: PLC0415

    trained = "0,1" if colorizer.scale.kind == "dtype" else str(colorizer.scale)
    scale = Scale.parse(trained if options.scale is None else options.scale)
    if scale.kind != "range":
        raise NirganError(
            f"--scale {scale}: a program is given numbers alone, of no type and of one "
            "picture at a time; say which are black and white: LOW,HIGH"
        )
    limits = Limits(scale.low, scale.high)
    pictures = [expand_home(file) for file in options.check or []]
    off, count = export_verified(colorizer, limits, options.format, out, pictures)
    print(
        f"{printable_path(out)}: nir, B x 1 x H x W from {limits.low:g} to {limits.high:g}, "
        f"becomes rgb, B x 3 x H x W from 0 to 1; off torch's by {off:.1g} at most, on {count} "
        "pictures"
    )
    return 0


def _parser() -> VerbParser:
    parser = VerbParser(
        prog="python -m nirgan export",
        description="Keep a trained method for other programs. ONNX and torch.export are compared "
        "with torch before they are kept.",
    )
    parser.add_argument(
        "model",
        type=str,
        help="a checkpoint, a folder with model.safetensors; or the name of one that comes with "
        "the package",
    )
    parser.add_argument(
        "--format",
        type=Literal["safetensors", "onnx", "torch"],
        required=True,
        help="safetensors: a folder as the Hugging Face hub has it; onnx: a file .onnx; torch: a "
        "file .pt2 of torch.export",
    )
    parser.add_argument("--output", type=Path, required=True, help="the folder or the file")
    parser.add_argument(
        "--scale",
        type=str | None,
        help="of onnx and torch: the camera values of black and white, LOW,HIGH; as the model was "
        "trained, else 0,1",
    )
    parser.add_argument(
        "--check",
        nargs="+",
        type=Path,
        help="of onnx and torch: near-infrared pictures to compare with torch on, too",
    )
    parser.add_argument(
        "--half", action="store_true", help="of safetensors: weights as float16, half the size"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")
    add_trust(parser, "the model")
    return parser


def _refuse_unused(options: Namespace) -> None:
    """Refuse options that the format does not have."""
    if options.format != "safetensors":
        if options.half:
            raise NirganError("--half goes with --format safetensors; programs compute in float32")
    elif options.scale is not None:
        raise NirganError(
            "--scale goes with --format onnx or torch; a model in safetensors keeps the scale that "
            "it was trained with, and `colorize --scale` takes another"
        )
    elif options.check:
        raise NirganError("--check goes with --format onnx or torch, which are compared with torch")


def _check_output(out: Path, kind: str, overwrite: bool) -> None:
    """Check the output path before anything heavy is imported."""
    suffix = SUFFIX.get(kind)
    if suffix and out.suffix != suffix:
        raise NirganError(f"--output {out}: expected a name that ends in {suffix}")
    if suffix and out.is_dir():
        raise NirganError(f"--output {out}: a folder; give a file, NAME{suffix}")
    if not suffix and out.exists() and not out.is_dir():
        raise NirganError(f"--output {out}: a file; safetensors are kept in a folder")
    written = [out] if suffix else [out / name for name in MODEL_FILES]
    there = next((file for file in written if file.exists()), None)
    if there and not overwrite:
        raise NirganError(f"{there} is there already; --overwrite replaces it")
