"""Exports a model, and keeps the file only if its output equals that of torch."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nirgan import __version__
from nirgan.data.images import read_nir
from nirgan.data.scaling import Limits
from nirgan.data.sources.synthetic import Synthetic
from nirgan.errors import NirganError, needs_extra
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.export.program import Program, to_onnx, to_torch
from nirgan.networks.global_layers import GlobalLayer
from nirgan.utils.atomic_write import atomic_write

NOTE = (
    "Synthetic colors, made from near-infrared. Input nir, B x 1 x H x W, float32, camera values: "
    "low is black, high is white. Output rgb, B x 3 x H x W, float32, 0 to 1. Any size."
)
TOLERANCE = 1e-4
"""Largest accepted difference from torch, in a range of 1: a fortieth of a level of 8 bits."""
RANDOM_SHAPES = ((1, 64, 64), (2, 17, 33), (3, 70, 95), (1, 240, 321))
"""Batch, height and width of random pictures."""
SCENE_SIZE_PX = (150, 203)
"""Height and width of procedural pictures."""


def export_verified(
    colorizer: Colorizer, limits: Limits, kind: str, out: Path, files: Sequence[Path]
) -> tuple[float, int]:
    """Export a model, and compare the program with torch.

    Args:
        colorizer: On the CPU, in float32.
        limits: The camera values of black and white.
        kind: `onnx` or `torch`.
        out: The file.
        files: Near-infrared pictures to compare on, beside random and procedural ones.

    Returns:
        The greatest difference, and the number of pictures.

    Raises:
        NirganError: It cannot be written, or its output differs; no file is kept.
    """
    given = [torch.from_numpy(read_nir(f).astype(np.float32))[None, None] for f in files]
    program = Program(colorizer.generator, limits, colorizer.receptive_field.stride).eval()
    metadata = metadata_of(colorizer, limits)
    with atomic_write(out) as part:
        run = (_onnx if kind == "onnx" else to_torch)(program, part, metadata)
        worst, count = 0.0, 0
        for nir in (*_pictures(limits), *given):
            with torch.inference_mode():
                off = float((run(nir) - program(nir)).abs().max())
            if not off <= TOLERANCE:
                raise NirganError(
                    f"{out}: not kept: its colors of a picture of {nir.shape[-1]}x{nir.shape[-2]} "
                    f"are off torch's by {off:.1e}, and {TOLERANCE:.0e} is the most that is kept"
                )
            worst, count = max(worst, off), count + len(nir)
    return worst, count


def _onnx(program: Program, file: Path, metadata: dict[str, str]) -> Callable[[Tensor], Tensor]:
    with needs_extra("onnx", "--format onnx"):
        for library in ("onnx", "onnxscript", "onnxruntime"):
            import_module(library)
    from nirgan.inference.export.onnx_network import run, session  # noqa: PLC0415 (an extra)

    to_onnx(program, file, metadata)
    return partial(run, session(file))


def metadata_of(colorizer: Colorizer, limits: Limits) -> dict[str, str]:
    """What the file says, as any program can show it. The keys are those of the first version."""
    receptive_field = colorizer.receptive_field
    # A program cannot gather the statistics of global layers from tiles.
    whole = any(isinstance(m, GlobalLayer) for m in colorizer.generator.modules())
    metadata = {
        "name": colorizer.name,
        "digest": colorizer.digest,
        "nirgan": __version__,
        "note": NOTE,
        "low": limits.low,
        "high": limits.high,
        "period": receptive_field.stride,
        "halo": "all" if whole or receptive_field.radius is None else receptive_field.radius,
        "floats": receptive_field.activations_per_pixel,
        "by_scene": colorizer.by_scene,
        "scale": colorizer.scale,
    }
    return {key: str(value) for key, value in metadata.items()}


def _pictures(limits: Limits) -> Iterator[Tensor]:
    """Test pictures, B x 1 x H x W in camera values, some outside of the limits, one with NaN."""
    generator = torch.Generator().manual_seed(0)
    span = limits.high - limits.low
    for shape in RANDOM_SHAPES:
        nir = torch.rand(shape, generator=generator) * 1.2 - 0.1
        nir[0, 3, 5] = torch.nan
        yield nir[:, None] * span + limits.low
    for pair in Synthetic(count=5, size=SCENE_SIZE_PX).pairs():
        band, _ = pair.load()
        unit = torch.from_numpy(band)[None, None] / 255
        yield unit * span + limits.low
