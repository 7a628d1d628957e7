"""The generator of a checkpoint that `fit` has written.

A checkpoint is a pickle in an archive. It is opened only as far as torch's unpickler for weights
goes, which calls nothing that a file names, and nothing of it is unpacked to disk.
"""

import re
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from torch import Tensor

from nirgan.errors import NirganError, named

PREFIX = "generator."
"""Of the colouring network's weights in every task; CycleGAN's other one is `inverse`."""


def read_checkpoint(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what a checkpoint says of its generator, and its weights.

    Returns:
        `name`, `generator`, `training` and `scale`, as in a configuration; and what the
        generator's `state_dict` gave.

    Raises:
        NirganError: It is damaged, or no checkpoint of `fit`, or would run code.
        OSError: It cannot be read.
    """
    checkpoint = _load(file)
    try:
        described = dict(checkpoint["hyper_parameters"]["generator"])
        state = dict(checkpoint["state_dict"])
        weights = {k.removeprefix(PREFIX): v for k, v in state.items() if k.startswith(PREFIX)}
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise NirganError(
            f"{named(file)}: no checkpoint of nirgan's `fit`: no generator in it"
        ) from error
    size = file.stat().st_size
    for key, value in weights.items():
        # One number may be viewed as a terabyte, which a copy of it would be.
        if isinstance(value, Tensor) and value.nelement() * value.element_size() > size:
            raise NirganError(f"{named(file)}: {key!r} claims to be larger than the file")
    training = {key: checkpoint.get(key) for key in ("epoch", "global_step")}
    config = {"name": _name(file), "generator": described, "training": training}
    data = (part for part in checkpoint.values() if isinstance(part, dict))
    if scale := next((part["nir_scale"] for part in data if "nir_scale" in part), None):
        config["scale"] = str(scale)
    return config, weights


def _load(file: Path) -> Any:
    try:
        with ZipFile(file) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (BadZipFile, NotImplementedError, ValueError) as error:
        raise NirganError(
            f"{named(file)}: no checkpoint of `fit`: cut short, or a bare pickle, which could run "
            "any code when opened and so is not"
        ) from error
    if unpacked > file.stat().st_size:  # torch packs nothing tightly; what is may fill the memory
        raise NirganError(f"{named(file)}: compressed, which no checkpoint of `fit` is")
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except OSError:
        raise
    except Exception as error:  # what is damaged raises anything
        if wanted := re.search(r"Unsupported global: GLOBAL ([\w.]+)", str(error)):
            raise NirganError(
                f"{named(file)}: pickled, and asks for {wanted[1]}; loading that could run any "
                "code, so it is refused; give a checkpoint of `fit`, or the weights as .safetensors"
            ) from error
        line = str(error).strip().partition("\n")[0][:200]
        raise NirganError(
            f"{named(file)}: no checkpoint of `fit`, or a damaged one ({line})"
        ) from error


def _name(file: Path) -> str:
    """Of the experiment, for runs/NAME/version_0/checkpoints/best.ckpt; else of the file."""
    if file.parent.name == "checkpoints" and (name := file.absolute().parents[2].name):
        return name
    return file.stem
