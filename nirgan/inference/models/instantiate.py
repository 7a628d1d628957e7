"""Networks from what a configuration says of them: the path of a class, and its arguments.

A configuration comes with weights, from anywhere, and importing a module runs it. So a path alone
imports nothing but this package's networks and torch's layers, see `nirgan.utils.safe_loading`; a
class of one's own is imported where the person trusts the file or names the class. Whatever the
path, only a torch module is called.
"""

import inspect
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from nirgan.errors import NirganError
from nirgan.networks.initialization import skip_pretrained
from nirgan.utils.safe_loading import NETWORK_PREFIXES, Trust, find_class, is_trusted


def restore(described: Any, weights: dict[str, Any], name: Any, trust: Trust = False) -> nn.Module:
    """Make a network, and load its weights.

    Args:
        described: `class_path` and, if it has arguments, `init_args`.
        weights: What its `state_dict` gave.
        name: What messages call it.
        trust: Class paths that may be imported although they are another package's; True: all.

    Raises:
        NirganError: The class may not be imported or is no network, or the weights are another's.
    """
    with skip_pretrained():
        if not trust:
            # On no device, nothing is allocated: arguments may ask for more than the machine has.
            with torch.device("meta"):
                _compare(build(described, name), weights, name)
        network = build(described, name, trust)
    _compare(network, weights, name)
    try:
        missing, unexpected = network.load_state_dict(weights, strict=False)
    except NirganError as error:
        raise NirganError(f"{name}: {error}") from error
    except Exception as error:  # what a network keeps beside tensors may be of any shape
        raise NirganError(f"{name}: weights of another network ({_last_line(error)})") from error
    for keys, what in ((missing, "are not there"), (unexpected, "belong to no layer")):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise NirganError(f"{name}: weights of another network: {keys[0]!r}{more} {what}")
    return network


def build(described: Any, name: Any, trust: Trust = False) -> nn.Module:
    """Make a network, its weights as they begin, see `restore`."""
    cls = _class(_at(described, "class_path", name), name, trust)
    arguments = described.get("init_args") or {}
    if not isinstance(arguments, dict):
        raise NirganError(f"{name}: init_args of {cls.__name__} are no mapping")
    built = {key: _value(value, name, trust) for key, value in arguments.items()}
    try:
        return cls(**built)
    except Exception as error:  # a constructor raises what it likes
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
        except Exception as error:  # a module that is trusted raises what it likes
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


def _at(described: Any, key: str, name: Any) -> Any:
    if not isinstance(described, dict) or key not in described:
        raise NirganError(f"{name}: expected a generator with a {key}, got {str(described)[:80]!r}")
    return described[key]


def _sides(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"


def _last_line(error: Exception) -> str:
    lines = str(error).split("\n") if str(error) else [type(error).__name__]
    return lines[-1].strip()
