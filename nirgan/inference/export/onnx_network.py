"""Runs a model from an ONNX file as a torch module, like any other generator."""

import hashlib
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from nirgan.data.scaling import Limits
from nirgan.errors import NirganError, needs_extra
from nirgan.inference.models.pretrained import PretrainedModel
from nirgan.inference.tiling import ReceptiveField

INPUT, OUTPUT = "nir", "rgb"
"""Names of a program's input and output."""


class OnnxNetwork(nn.Module):
    """A network that ONNX Runtime runs, on the CPU, with as many threads as torch has.

    Args:
        file: As `export` writes it.

    Raises:
        NirganError: It cannot be read, or was not exported by nirgan; or ONNX Runtime is not
            installed.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        with needs_extra("onnx", file):
            import onnxruntime  # noqa: PLC0415
        if not file.is_file():
            raise NirganError(f"{file}: no such file")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4
        try:
            self.session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its own exceptions have no common base
            raise NirganError(
                f"{file}: ONNX Runtime cannot read it ({_one_line(error)})"
            ) from error
        info = self.session.get_modelmeta().custom_metadata_map
        try:
            self.name, radius = info["name"], info["radius"]
            self.limits = Limits(float(info["low"]), float(info["high"]))
            self.receptive_field = ReceptiveField(  # measured before the export
                int(info["stride"]),
                None if radius == "all" else int(radius),
                float(info["activations_per_pixel"]),
            )
            self.by_scene = info["by_scene"] == "True"
            self.scale = info["scale"]
        except (KeyError, ValueError) as error:
            raise NirganError(
                f"{file}: an ONNX file, but not of `python -m nirgan export`: its "
                f"metadata lack {str(error)[:100]}"
            ) from error

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself: a session cannot be copied, and has no state."""
        return self

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to the same."""
        low, high = self.limits.low, self.limits.high
        nir = (triplet.mean(1, keepdim=True).float() + 1) * ((high - low) / 2) + low
        return self.run(nir.cpu()).to(triplet) * 2 - 1

    def run(self, nir: Tensor) -> Tensor:
        """Run an exported program: camera values, B x 1 x H x W, to B x 3 x H x W in [0, 1].

        Raises:
            NirganError: It fails.
        """
        try:
            return torch.from_numpy(self.session.run([OUTPUT], {INPUT: nir.numpy()})[0])
        except Exception as error:  # of any kind
            size = f"{nir.shape[-1]}x{nir.shape[-2]}"
            raise NirganError(
                f"a picture of {size}: ONNX Runtime cannot colorize it ({_one_line(error)}); use "
                "the model that was exported"
            ) from error


def read_onnx(file: Path) -> PretrainedModel:
    """Read a file that `export` has written; its configuration has no class of a generator.

    Raises:
        NirganError: See `OnnxNetwork`.
    """
    network = OnnxNetwork(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    config = {"name": network.name, "scale": network.scale}
    return PretrainedModel(network.eval(), network.name, digest, config)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
