"""Exports a generator as a program: camera values in, colors in [0, 1] out.

The program contains the scaling, the conversion to the range of networks, and the padding to a
multiple of the stride. Its output equals that of `Colorizer` for a picture in one piece, which is
verified before the file is kept.
"""

import copy
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from nirgan import __version__
from nirgan.data.images import read_nir, signed_to_unit
from nirgan.data.scaling import Limits, Scale
from nirgan.data.sources.synthetic import Synthetic
from nirgan.errors import NirganError, needs_extra
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.export.onnx_network import INPUT, OUTPUT, OnnxNetwork
from nirgan.inference.tiling import MIN_INPUT_PX
from nirgan.networks.global_layers import GlobalLayer
from nirgan.networks.layers import cropped, edge_padded
from nirgan.utils.atomic_write import atomic_write

EXAMPLE_INPUT = (torch.full((2, 1, 80, 96), 0.5),)
DYNAMIC_SHAPES = ({0: Dim("batch"), 2: Dim("height"), 3: Dim("width")},)
NOTE = (
    "Synthetic colors, made from near-infrared. Input nir, B x 1 x H x W, float32, camera values: "
    "low is black, high is white. Output rgb, B x 3 x H x W, float32, 0 to 1. Any size."
)
TOLERANCE = 1e-4
"""Largest accepted difference from torch, in a range of 1: a fortieth of a level of 8 bits."""
RANDOM_SHAPES = ((1, 64, 64), (2, 17, 33), (3, 70, 95), (1, 240, 321), (1, 360, 480))
"""Batch, height and width of random pictures."""


class Program(nn.Module):
    """The module that is exported.

    Args:
        generator: B x 3 x H x W to B x 3 x H x W, both in [-1, 1].
        limits: The camera values of black and white.
        stride: See `ReceptiveField`.
    """

    def __init__(self, generator: nn.Module, limits: Limits, stride: int) -> None:
        super().__init__()
        # Channels-last tensors lead to conditions on sizes that export cannot prove.
        plain = copy.deepcopy(generator)
        plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.generator, self.limits, self.stride = plain, limits, stride

    def forward(self, nir: Tensor) -> Tensor:
        """Colorize: B x 1 x H x W in camera values to B x 3 x H x W in [0, 1], of any size."""
        unit = (nir - self.limits.low) * (1 / (self.limits.high - self.limits.low))
        unit = torch.where(unit.isnan(), 0.0, unit).clamp(0, 1)
        least = -(-MIN_INPUT_PX // self.stride) * self.stride
        unit = edge_padded(unit, self.stride, least)
        colors = self.generator((unit * 2 - 1).expand(-1, 3, -1, -1))
        return signed_to_unit(cropped(colors, *nir.shape[-2:])).clamp(0, 1)


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
    given = []
    for file in files:
        band = read_nir(file)
        # What a program takes from 0 to 1 is, of a picture, all that its type holds.
        white = Scale().limits(band, file).high if limits == Limits(0, 1) else 1
        given.append(torch.from_numpy(band.astype(np.float32) / white)[None, None])
    program = Program(colorizer.generator, limits, colorizer.receptive_field.stride).eval()
    metadata = metadata_of(colorizer, limits)
    with atomic_write(out) as part:
        exported = (to_onnx if kind == "onnx" else to_torch)(program, part, metadata)
        worst, count = 0.0, 0
        for nir in (*_pictures(limits), *given):
            with torch.inference_mode():
                off = float((exported(nir) - program(nir)).abs().max())
            if not off <= TOLERANCE:
                raise NirganError(
                    f"{out}: not kept: its colors of a picture of {nir.shape[-1]}x{nir.shape[-2]} "
                    f"are off torch's by {off:.1e}, and {TOLERANCE:.0e} is the most that is kept"
                )
            worst, count = max(worst, off), count + len(nir)
    return worst, count


def to_onnx(program: Program, file: Path, metadata: dict[str, str]) -> Callable[[Tensor], Tensor]:
    """Write a program in eval mode as ONNX, with metadata about the model.

    Returns:
        A function that runs the file.

    Raises:
        NirganError: The network cannot be expressed in ONNX, or a library is not installed.
    """
    with needs_extra("onnx", "--format onnx"):
        for library in ("onnx", "onnxscript", "onnxruntime"):
            import_module(library)
    with _quietly(program, "ONNX"):
        exported = torch.onnx.export(
            program,
            EXAMPLE_INPUT,
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=DYNAMIC_SHAPES,
            verbose=False,
        )
        assert exported is not None  # as it is with dynamo
        exported.model.metadata_props.update(metadata)
        exported.model.doc_string = metadata["note"]
        exported.save(file)
    return OnnxNetwork(file).run


def to_torch(program: Program, file: Path, metadata: dict[str, str]) -> nn.Module:
    """Write a program of `torch.export`, see `to_onnx`, and read it again.

    Raises:
        NirganError: The network cannot be exported.
    """
    with _quietly(program, "torch.export"):
        exported = torch.export.export(program, EXAMPLE_INPUT, dynamic_shapes=DYNAMIC_SHAPES)
        torch.export.save(exported, file, extra_files={"nirgan.json": json.dumps(metadata)})
        return torch.export.load(file).module()


@contextmanager
def _quietly(program: Program, what: str) -> Iterator[None]:
    """Report export errors in one line, and suppress the output of torch."""
    log = logging.getLogger("torch")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        # torch prints the whole graph if the export fails.
        with (
            redirect_stderr(io.StringIO()),
            warnings.catch_warnings(action="ignore"),
            torch.no_grad(),
        ):
            yield
    except (ModuleNotFoundError, OSError):
        raise
    except Exception as error:  # of whatever kind a network's layers cause
        reason = str(error.__cause__ or error).partition("\n")[0][:150]
        raise NirganError(
            f"{type(program.generator).__name__} cannot be expressed in {what} ({reason}); it can "
            "be kept as --format safetensors"
        ) from error
    finally:
        log.setLevel(level)


def metadata_of(colorizer: Colorizer, limits: Limits) -> dict[str, str]:
    """The metadata of an exported file."""
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
        "stride": receptive_field.stride,
        "radius": "all" if whole or receptive_field.radius is None else receptive_field.radius,
        "activations_per_pixel": receptive_field.activations_per_pixel,
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
    for pair in Synthetic(count=5, size=(150, 203)).pairs():
        band, _ = pair.load()
        unit = torch.from_numpy(band)[None, None] / 255
        yield unit * span + limits.low
