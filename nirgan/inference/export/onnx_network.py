"""A model from an ONNX file, as a network that the rest of the package runs like any other."""

import hashlib
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from nirgan.errors import NirganError, printable_path
from nirgan.inference.export.metadata import ExportMetadata
from nirgan.inference.export.program import INPUT, OUTPUT
from nirgan.inference.models.pretrained import PretrainedModel
from nirgan.inference.tiling import ReceptiveField


class OnnxNetwork(nn.Module):
    """A network that ONNX Runtime runs, on the CPU.

    Args:
        file: As `export` writes it.

    Raises:
        NirganError: It cannot be read, or is not one of those.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.session = session(file)
        try:
            self.metadata = ExportMetadata.read(self.session.get_modelmeta().custom_metadata_map)
        except (KeyError, ValueError) as error:
            raise NirganError(
                f"{printable_path(file)}: an ONNX file, but not of `python -m nirgan export`: its metadata "
                f"lack {str(error)[:100]}"
            ) from error

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: a session can neither be copied nor changed."""
        return self

    @property
    def receptive_field(self) -> ReceptiveField:
        """How far it looks, as measured before it was exported."""
        return self.metadata.receptive_field

    @property
    def by_scene(self) -> bool:
        """See `nirgan.networks.global_layers.GlobalLayer`."""
        return self.metadata.by_scene

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to the same."""
        low, high = self.metadata.limits.low, self.metadata.limits.high
        nir = (triplet.mean(1, keepdim=True).float() + 1) * ((high - low) / 2) + low
        (rgb,) = self.session.run([OUTPUT], {INPUT: nir.cpu().numpy()})
        return torch.from_numpy(rgb).to(triplet) * 2 - 1


def read_onnx(file: Path) -> PretrainedModel:
    """Read a file that `export` has written; its configuration names no class of a network.

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
    """ONNX Runtime's, with as many threads as torch has.

    Raises:
        NirganError: ONNX Runtime is not installed, or it cannot read the file.
    """
    try:
        import onnxruntime  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError as error:
        raise NirganError(
            "onnxruntime is not installed, and .onnx files need it: pip install 'nirgan[onnx]'"
        ) from error
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
