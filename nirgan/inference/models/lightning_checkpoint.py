"""The generator of a checkpoint that `fit` has written."""

from pathlib import Path
from typing import Any

from torch import Tensor

from nirgan.errors import NirganError, printable_path
from nirgan.utils.safe_loading import load_checkpoint

GENERATOR_PREFIX = "generator."
"""Of the coloring network's weights in every task; CycleGAN's other one is `inverse`."""


def read_checkpoint(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what a checkpoint says of its generator, and its weights.

    Returns:
        `name`, `generator`, `training` and `scale`, as in a configuration; and what the
        generator's `state_dict` gave.

    Raises:
        NirganError: It cannot be read, is damaged, no checkpoint of `fit`, or would run code.
    """
    checkpoint = load_checkpoint(file, mmap=True)
    try:
        described = dict(checkpoint["hyper_parameters"]["generator"])
        state = dict(checkpoint["state_dict"])
        weights = {
            k.removeprefix(GENERATOR_PREFIX): v
            for k, v in state.items()
            if k.startswith(GENERATOR_PREFIX)
        }
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise NirganError(
            f"{printable_path(file)}: no checkpoint of nirgan's `fit`: no generator in it"
        ) from error
    size = file.stat().st_size
    for key, value in weights.items():
        # One number may be viewed as a terabyte, which a copy of it would be.
        if isinstance(value, Tensor) and value.nelement() * value.element_size() > size:
            raise NirganError(f"{printable_path(file)}: {key!r} claims to be larger than the file")
    training = {key: checkpoint.get(key) for key in ("epoch", "global_step")}
    config = {"name": _name(file), "generator": described, "training": training}
    data = (part for part in checkpoint.values() if isinstance(part, dict))
    if scale := next((part["nir_scale"] for part in data if "nir_scale" in part), None):
        config["scale"] = str(scale)
    return config, weights


def _name(file: Path) -> str:
    """Of the experiment, for runs/NAME/version_0/checkpoints/best.ckpt; else of the file."""
    if file.parent.name == "checkpoints" and (name := file.absolute().parents[2].name):
        return name
    return file.stem
