"""Loads checkpoints and models of unknown origin without running their code.

A checkpoint is a pickle in an archive, and its hyperparameters name classes by their import path;
importing a module, or calling what it holds, runs code. So every verb reads a checkpoint with
torch's unpickler for weights, which calls nothing that a file names, and no path that a file gives
is imported unless it is allowed: classes of networks, losses, metrics, tasks, optimizers and
schedules, of this package and of torch. Other paths must be given by the user, in a configuration
or as trusted. This is checked before anything is imported.
"""

import inspect
import re
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from nirgan.errors import NirganError, printable_path
from nirgan.utils.renamed import current_path

Trust = bool | Collection[str]
"""Class paths that the user trusts; True: all that the file names."""

NETWORK_PREFIXES = ("nirgan.networks.", "torch.nn.")
METHOD_PREFIXES = (
    *NETWORK_PREFIXES,
    "nirgan.losses.",
    "nirgan.metrics.",
    "nirgan.tasks.",
    "torch.optim.",
)
ALLOWED_BASES = (nn.Module, Optimizer, LRScheduler)
HYPERPARAMETERS = ("hyper_parameters", "hparams", "module_arguments", "datamodule_hyper_parameters")
"""Keys of constructor arguments in checkpoints of all versions of Lightning."""
INSTANTIATOR = "lightning.pytorch.cli.instantiate_module"
"""Value of `_instantiator` in the checkpoints of Lightning's command line."""


def load_checkpoint(file: Path, *, mmap: bool = False) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; nothing that it names is called, nothing is unpacked to disk.

    With `mmap`, tensors are mapped into memory; the file has to stay as it is.

    Raises:
        NirganError: It cannot be read, is damaged, no checkpoint, or holds more than tensors and
            plain values.
    """
    try:
        str(file).encode()
    except UnicodeEncodeError as error:
        raise NirganError(f"{printable_path(file)}: a name that is not UTF-8; rename it") from error
    try:
        with ZipFile(file) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        size = file.stat().st_size
    except OSError as error:
        raise NirganError(f"{file}: cannot be read ({error.strerror or error})") from error
    except (BadZipFile, NotImplementedError, ValueError) as error:
        raise NirganError(
            f"{file}: not a checkpoint of `fit`: cut short, or a bare pickle, "
            "which could run any code when opened and so is not; give one that `fit` has written"
        ) from error
    if unpacked > size:  # torch does not compress; a compressed file may fill the memory
        raise NirganError(f"{file}: compressed, which no checkpoint of `fit` is")
    try:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True, mmap=mmap)
    except OSError as error:
        raise NirganError(f"{file}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a damaged file raises anything
        # Only a name is taken from torch's message, which recommends unsafe loading.
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"holds a pickled {wanted[1]}" if wanted else "damaged, or holds pickled objects"
        raise NirganError(
            f"{file}: {what}; unpickling could run any code, so it is refused; "
            "expected tensors and plain values, as in every checkpoint that `fit` writes: give one "
            "of those"
        ) from error
    if type(checkpoint) is not dict:
        raise NirganError(f"{file}: not a checkpoint of `fit`: no generator in it")
    return checkpoint


def check_hyperparameters(
    checkpoint: dict[str, Any], file: Path, trust: Trust, remedy: str
) -> None:
    """Check everything that parsing the hyperparameters of a checkpoint would import.

    Parsers accept paths of classes and functions, paths of files, and YAML in place of any string.
    So each string must be a word that can be none of these, an allowed class, or a string that the
    user has given.

    `trust` are strings in the user's own configuration; True: do not check. The messages end with
    the remedy, how the user can trust a string.

    Raises:
        NirganError: A string is not allowed.
    """
    if trust is True:
        return
    try:
        for part in HYPERPARAMETERS:
            values = checkpoint.get(part, {})
            if type(values) is dict and values.get("_instantiator") == INSTANTIATOR:
                values = {k: v for k, v in values.items() if k != "_instantiator"}
            _check(values, [], trust)
    except NirganError as error:
        raise NirganError(f"{file}: {error}; {remedy}") from error
    except RecursionError as error:
        raise NirganError(f"{file}: hyperparameters without an end") from error


def find_class(path: object, prefixes: tuple[str, ...] = METHOD_PREFIXES) -> type | None:
    """The class at an import path, which may be a former one, or None if it is not allowed.

    Only modules of this package and of torch are imported, whose paths begin with a prefix.
    """
    module, _, name = current_path(str(path)).rpartition(".")
    if not f"{module}.".startswith(prefixes) or not all(map(str.isidentifier, module.split("."))):
        return None
    try:
        found = vars(import_module(module)).get(name)  # getattr may import further modules
    except Exception:  # not there, or of a system that torch has not been built for
        return None
    if not (inspect.isclass(found) and issubclass(found, ALLOWED_BASES)):
        return None
    return found if f"{found.__module__}.".startswith(prefixes) else None


def is_trusted(value: str, trust: Trust) -> bool:
    """Whether the user trusts a class path, or any other string."""
    if isinstance(trust, bool):
        return trust
    return value in ([trust] if isinstance(trust, str) else trust)


def _check(value: Any, keys: list[str], trust: Trust) -> None:
    # Exact types: a subclass in a pickle may have other methods.
    if type(value) is dict:
        for key, inner in value.items():
            if type(key) not in (str, int):
                raise NirganError(f"{'.'.join(keys)} has a key of {type(key).__name__}")
            _check(inner, [*keys, str(key)], trust)
    elif type(value) in (list, tuple):
        for number, inner in enumerate(value):
            _check(inner, [*keys, str(number)], trust)
    elif type(value) is str:
        is_class = bool(keys) and keys[-1].rpartition(".")[2] in ("class_path", "_class_path")
        if is_trusted(value, trust) or (not is_class and _is_data(value)) or find_class(value):
            return
        raise NirganError(
            f"{'.'.join(k for k in keys if k != 'init_args')} is {value[:100]!r}, which is no "
            "class of nirgan's, torch.nn or torch.optim and could run any code"
        )
    elif value is not None and type(value) not in (bool, int, float):
        raise NirganError(f"{'.'.join(keys)} is of type {type(value).__name__}")


def _is_data(text: str) -> bool:
    """Whether no parser takes it for a class, a function, a file, YAML or an interpolation."""
    if not re.fullmatch(r"(\w[\w./-]{,199})?", text, re.ASCII):
        return False
    parts = text.split(".")
    if all(map(str.isidentifier, parts)) and (len(parts) > 1 or not text.islower()):
        return False  # an import path, or the short name of a class
    return Path(text).is_dir() or not Path(text).exists()
