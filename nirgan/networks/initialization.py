"""Initial weights of networks, random or pretrained."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import nn


def initialize(network: nn.Module, std: float) -> None:
    """Draw the weights of all convolutions and dense layers from N(0, std), biases 0, in place.

    The paper's std is 0.00282 (section 3). Batch norm starts at gain 1 and offset 0, so that a tiny
    std does not shrink the signal.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


_PRETRAINED = ContextVar("pretrained", default=True)


def pretrained() -> bool:
    """Whether networks with pretrained weights are to load them."""
    return _PRETRAINED.get()


@contextmanager
def skip_pretrained() -> Iterator[None]:
    """Do not load pretrained weights inside of the block, since others are loaded after it."""
    token = _PRETRAINED.set(False)
    try:
        yield
    finally:
        _PRETRAINED.reset(token)
