"""Compares the model options that a user gives with those that a checkpoint holds."""

from typing import Any

from lightning.pytorch.utilities import rank_zero_info

MAX_NAMED_OPTIONS = 8
"""How many overridden options are named in the message."""

TRUST_REMEDY = (
    "if you know it, give it in the configuration too (--config, --model), or pass --trust"
)
"""What to do about a class in a checkpoint that is not trusted."""


def strings_of(value: Any) -> set[str]:
    """All strings in a configuration, given by the user or defaults."""
    if isinstance(value, dict | list):
        return set().union(*map(strings_of, value.values() if isinstance(value, dict) else value))
    return {value} if isinstance(value, str) else set()


def log_overridden(path: str, given: dict[str, Any], used: dict[str, Any]) -> None:
    """Log which given options of the model are replaced by those of the checkpoint."""
    wanted, actual = _flat(given), _flat(used)
    other = [f"{k}={v} ({actual.get(k)})" for k, v in wanted.items() if v != actual.get(k)]
    if other:
        named, more = ", ".join(other[:MAX_NAMED_OPTIONS]), len(other) - MAX_NAMED_OPTIONS
        rank_zero_info(
            f"--ckpt_path {path}: its own values, in brackets, take the place of {named}"
            + (f" and {more} more" if more > 0 else "")
        )


def _flat(value: Any, key: str = "model") -> dict[str, Any]:
    """Flatten a configuration into the names of options and their values."""
    if not isinstance(value, dict) or not value:
        return {key: value}
    leaves: dict[str, Any] = {}
    for name, inner in value.items():
        leaves |= _flat(inner, key if name in ("init_args", "class_path") else f"{key}.{name}")
    return leaves
