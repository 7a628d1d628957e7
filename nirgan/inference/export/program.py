"""Exports a generator as a program: camera values in, colors in [0, 1] out.

The program contains the scaling, the conversion to the range of networks, and the padding to a
multiple of the stride. Its output equals that of `Colorizer` for a picture in one piece.
"""

import copy
import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim

from nirgan.data.images import signed_to_unit
from nirgan.data.scaling import Limits
from nirgan.errors import NirganError
from nirgan.inference.tiling import MIN_SIDE_PX
from nirgan.networks.layers import cropped, edge_padded

INPUT, OUTPUT = "nir", "rgb"
EXAMPLE = (torch.full((2, 1, 80, 96), 0.5),)
DYNAMIC_SHAPES = ({0: Dim("batch"), 2: Dim("height"), 3: Dim("width")},)


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
        least = -(-MIN_SIDE_PX // self.stride) * self.stride
        unit = edge_padded(unit, self.stride, least)
        colors = self.generator((unit * 2 - 1).expand(-1, 3, -1, -1))
        return signed_to_unit(cropped(colors, *nir.shape[-2:])).clamp(0, 1)


def to_onnx(program: Program, file: Path, metadata: dict[str, str]) -> None:
    """Write ONNX of a program in eval mode; metadata about the model are kept in the file.

    Raises:
        NirganError: The network cannot be expressed in ONNX.
    """
    with _quietly(program, "ONNX"):
        made = torch.onnx.export(
            program,
            EXAMPLE,
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=DYNAMIC_SHAPES,
            verbose=False,
        )
        if made is None:
            raise NirganError("torch made nothing")
        made.model.metadata_props.update(metadata)
        made.model.doc_string = metadata["note"]
        made.save(file)


def to_torch(program: Program, file: Path, metadata: dict[str, str]) -> nn.Module:
    """Write a program of `torch.export`, see `to_onnx`, and read it again.

    Raises:
        NirganError: The network cannot be exported.
    """
    with _quietly(program, "torch.export"):
        made = torch.export.export(program, EXAMPLE, dynamic_shapes=DYNAMIC_SHAPES)
        torch.export.save(made, file, extra_files={"nirgan.json": json.dumps(metadata)})
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
