"""Runs a model from an ONNX file as a torch module, like any other generator."""

import hashlib
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from nirgan.errors import NirganError, needs_extra, printable_path
from nirgan.inference.export.metadata import ExportMetadata
from nirgan.inference.export.program import INPUT, OUTPUT
from nirgan.inference.models.pretrained import PretrainedModel


class OnnxNetwork(nn.Module):
    """A network that ONNX Runtime runs, on the CPU.

    Args:
        file: As `export` writes it.

    Raises:
        NirganError: It cannot be read, or was not exported by nirgan.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.session = session(file)
        try:
            self.metadata = ExportMetadata.read(self.session.get_modelmeta().custom_metadata_map)
        except (KeyError, ValueError) as error:
            raise NirganError(
                f"{printable_path(file)}: an ONNX file, but not of `python -m nirgan export`: its "
                f"metadata lack {str(error)[:100]}"
            ) from error
        self.receptive_field = self.metadata.receptive_field  # measured before the export
        self.by_scene = self.metadata.by_scene

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself: a session cannot be copied, and has no state."""
        return self

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to the same."""
        low, high = self.metadata.limits.low, self.metadata.limits.high
        nir = (triplet.mean(1, keepdim=True).float() + 1) * ((high - low) / 2) + low
        (rgb,) = self.session.run([OUTPUT], {INPUT: nir.cpu().numpy()})
        return torch.from_numpy(rgb).to(triplet) * 2 - 1


def read_onnx(file: Path) -> PretrainedModel:
    """Read a file that `export` has written; its configuration has no class of a generator.

    Raises:
        NirganError: See `OnnxNetwork`.
    """
    network = OnnxNetwork(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    metadata = network.metadata
    return PretrainedModel(
        network.eval(), metadata.name, digest, {"name": metadata.name, "scale": metadata.scale}
    )


def session(file: Path) -> Any:
    """Create a session of ONNX Runtime, with as many threads as torch has.

    Raises:
        NirganError: ONNX Runtime is not installed, or it cannot read the file.
    """
    with needs_extra("onnx", printable_path(file)):
        import onnxruntime  # noqa: PLC0415
    if not file.is_file():
        raise NirganError(f"{printable_path(file)}: no such file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own exceptions have no common base
        line = " ".join(str(error).split())[:200]
        raise NirganError(
            f"{printable_path(file)}: ONNX Runtime cannot read it ({line})"
        ) from error
