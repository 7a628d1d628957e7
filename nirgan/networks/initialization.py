"""Initial weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import nn


def initialize(network: nn.Module, std: float) -> None:
    """Draw the weights of all convolutions and dense layers from N(0, std), biases 0.

    Batch norm starts at gain 1 and offset 0, so that a tiny std does not shrink the signal.

    Args:
        network: Changed in place.
        std: The paper's is 0.00282 (section 3).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


_PRETRAINED = ContextVar("pretrained", default=True)


def pretrained() -> bool:
    """Whether networks that ask for published weights are to load them."""
    return _PRETRAINED.get()


@contextmanager
def skip_pretrained() -> Iterator[None]:
    """Within, networks load no published weights, since others are loaded next."""
    token = _PRETRAINED.set(False)
    try:
        yield
    finally:
        _PRETRAINED.reset(token)
