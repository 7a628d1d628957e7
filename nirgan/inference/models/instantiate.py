"""Builds networks from a class path and arguments in a configuration.

Configurations come from anywhere, and importing a module runs it. So only this package's networks
and torch's layers are imported, see `nirgan.utils.safe_loading`; other classes are imported if the
user trusts the file or names the class. Only subclasses of `torch.nn.Module` are called.
"""

import inspect
from importlib import import_module
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from nirgan.errors import NirganError
from nirgan.networks.initialization import skip_pretrained
from nirgan.utils.safe_loading import NETWORK_PREFIXES, Trust, find_class, is_trusted


def restore(described: Any, weights: dict[str, Any], name: Any, trust: Trust = False) -> nn.Module:
    """Build a network that is described by `class_path` and `init_args`, and load its weights.

    Raises:
        NirganError: The class is not trusted or not a network, or the weights do not fit.
    """
    with skip_pretrained():
        if not trust:
            # On the meta device, so that huge sizes in a file do not allocate memory.
            with torch.device("meta"):
                _compare(build(described, name), weights, name)
        network = build(described, name, trust)
    _compare(network, weights, name)
    try:
        missing, unexpected = network.load_state_dict(weights, strict=False)
    except NirganError as error:
        raise NirganError(f"{name}: {error}") from error
    except Exception as error:  # set_extra_state raises anything
        raise NirganError(f"{name}: weights of another network ({_last_line(error)})") from error
    for keys, what in ((missing, "are not there"), (unexpected, "belong to no layer")):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise NirganError(f"{name}: weights of another network: {keys[0]!r}{more} {what}")
    return network


def build(described: Any, name: Any, trust: Trust = False) -> nn.Module:
    """Build a network with its initial weights, see `restore`."""
    if not isinstance(described, dict) or "class_path" not in described:
        got = repr(str(described)[:80])
        raise NirganError(f"{name}: expected a generator with a class_path, got {got}")
    cls = _class(described["class_path"], name, trust)
    arguments = described.get("init_args") or {}
    if not isinstance(arguments, dict):
        raise NirganError(f"{name}: init_args of {cls.__name__} are no mapping")
    built = {key: _value(value, name, trust) for key, value in arguments.items()}
    try:
        return cls(**built)
    except Exception as error:  # constructors raise anything
        raise NirganError(f"{name}: {cls.__name__} cannot be made ({_last_line(error)})") from error


def _value(value: Any, name: Any, trust: Trust) -> Any:
    if isinstance(value, dict):
        if "class_path" in value:
            return build(value, name, trust)
        return {key: _value(inner, name, trust) for key, inner in value.items()}
    if isinstance(value, list):
        return [_value(inner, name, trust) for inner in value]
    return value


def _class(path: Any, name: Any, trust: Trust) -> type[nn.Module]:
    found = find_class(path, NETWORK_PREFIXES)
    if found is None:
        if not is_trusted(str(path), trust):
            raise NirganError(
                f"{name}: its network is {str(path)[:100]!r}, none of the networks of "
                "nirgan.networks and torch.nn, and importing it could run any code; if you know "
                "it, pass --trust, or load(..., trust=[its class path])"
            )
        module, _, cls = str(path).rpartition(".")
        try:
            found = getattr(import_module(module), cls)
        except Exception as error:  # modules raise anything
            raise NirganError(
                f"{name}: its network {path!r} cannot be imported ({_last_line(error)})"
            ) from error
    if not (inspect.isclass(found) and issubclass(found, nn.Module)):
        raise NirganError(f"{name}: {path!r} is no network, no subclass of torch.nn.Module")
    return found


def _compare(network: nn.Module, weights: dict[str, Any], name: Any) -> None:
    for key, parameter in network.named_parameters():
        there = weights.get(key)
        if not isinstance(there, Tensor):
            raise NirganError(f"{name}: weights of another network: {key!r} is not there")
        if there.shape != parameter.shape:
            raise NirganError(
                f"{name}: weights of another network: {key!r} is {_sides(there)}, "
                f"expected {_sides(parameter)}"
            )
    for key, tensor in chain(network.named_parameters(), network.named_buffers()):
        there = weights.get(key)
        if not isinstance(there, Tensor) or there.is_floating_point():
            continue
        if tensor.is_floating_point():  # torch would convert it without a word
            kind = str(there.dtype).removeprefix("torch.")
            raise NirganError(
                f"{name}: weights of another network: {key!r} is of type {kind}, expected floats"
            )


def _sides(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"


def _last_line(error: Exception) -> str:
    lines = str(error).split("\n") if str(error) else [type(error).__name__]
    return lines[-1].strip()
