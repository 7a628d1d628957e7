"""Reads the generator from a checkpoint of `fit`."""

from pathlib import Path
from typing import Any

from torch import Tensor

from nirgan.errors import NirganError, printable_path
from nirgan.utils.safe_loading import load_checkpoint

GENERATOR_PREFIX = "generator."
"""Prefix of the weights of the generator in the state of every task."""


def read_checkpoint(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the description of the generator, and its weights.

    Returns:
        A configuration, see `nirgan.inference.models.pretrained.PretrainedModel`; and the
        `state_dict` of the generator.

    Raises:
        NirganError: It cannot be read, is damaged, no checkpoint of `fit`, or would run code.
    """
    checkpoint = load_checkpoint(file, mmap=True)
    try:
        described = dict(checkpoint["hyper_parameters"]["generator"])
        weights = {
            k.removeprefix(GENERATOR_PREFIX): v
            for k, v in dict(checkpoint["state_dict"]).items()
            if k.startswith(GENERATOR_PREFIX)
        }
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise NirganError(
            f"{printable_path(file)}: no checkpoint of nirgan's `fit`: no generator in it"
        ) from error
    size = file.stat().st_size
    for key, value in weights.items():
        # A view of one number may claim to be a terabyte, which a copy would allocate.
        if isinstance(value, Tensor) and value.nelement() * value.element_size() > size:
            raise NirganError(f"{printable_path(file)}: {key!r} claims to be larger than the file")
    training = {key: checkpoint.get(key) for key in ("epoch", "global_step")}
    name = file.stem
    if file.parent.name == "checkpoints":  # of runs/NAME/version_0/checkpoints/best.ckpt
        name = file.absolute().parents[2].name or name
    config = {"name": name, "generator": described, "training": training}
    data = (part for part in checkpoint.values() if isinstance(part, dict))
    if scale := next((part["nir_scale"] for part in data if "nir_scale" in part), None):
        config["scale"] = str(scale)
    return config, weights
