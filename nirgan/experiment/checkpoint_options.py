"""What a person says of a method beside what a checkpoint says of it."""

from typing import Any

from lightning.pytorch.utilities import rank_zero_info

MAX_NAMED_OPTIONS = 8
"""Options of a line that names those that a checkpoint overrides."""

TRUST_REMEDY = (
    "if you know it, give it in the configuration too (--config, --model), or pass --trust"
)
"""How a person vouches for what a checkpoint names."""


def strings_of(value: Any) -> set[str]:
    """All strings in a configuration: those that the person has given, and defaults."""
    if isinstance(value, dict | list):
        return set().union(*map(strings_of, value.values() if isinstance(value, dict) else value))
    return {value} if isinstance(value, str) else set()


def name_overridden(path: str, given: dict[str, Any], used: dict[str, Any]) -> None:
    """Name the options of a method that the checkpoint has taken the place of."""
    said, kept = _flat(given), _flat(used)
    other = [f"{key}={said[key]} ({kept.get(key)})" for key in said if said[key] != kept.get(key)]
    if other:
        more = (
            f" and {len(other) - MAX_NAMED_OPTIONS} more" if len(other) > MAX_NAMED_OPTIONS else ""
        )
        rank_zero_info(
            f"--ckpt_path {path}: its own values, in brackets, take the place of "
            f"{', '.join(other[:MAX_NAMED_OPTIONS])}{more}"
        )


def _flat(value: Any, key: str = "model") -> dict[str, Any]:
    """The leaves of a configuration by their options' names."""
    if not isinstance(value, dict) or not value:
        return {key: value}
    leaves: dict[str, Any] = {}
    for name, inner in value.items():
        leaves |= _flat(inner, key if name in ("init_args", "class_path") else f"{key}.{name}")
    return leaves
