"""How far a method's colours move when its input does in ways that should not matter.

A mirrored picture, or one taken a little brighter or darker, is still a picture of the same thing.
Where the colours of such variants differ, the method has guessed. Noise on the input was tried too,
and foretells nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
from torch import Tensor

from nirgan.metrics.functional import angular_error

Change = Callable[[Tensor], Tensor]

GAMMAS = (0.8, 1.25)
"""Exponents of the darker and of the brighter variant."""
MIRRORS = ((-1,), (-2,), (-2, -1))


def variants() -> Iterator[tuple[Change, Change]]:
    """What makes a variant of B x 1 x H x W in [0, 1], and what turns its colours back."""
    for axes in MIRRORS:
        mirror = partial(torch.flip, dims=axes)
        yield mirror, mirror
    for gamma in GAMMAS:
        yield partial(torch.pow, exponent=gamma), lambda colours: colours


def disagreement(colours: Tensor, others: Iterable[Tensor]) -> Tensor:
    """Mean angle between a picture's colours and those of its variants.

    Args:
        colours: B x 3 x H x W in [0, 1].
        others: The same of each variant, turned back.

    Returns:
        B x H x W in degrees; an angle with black counts as 0.
    """
    return torch.stack([angular_error(other, colours)[0] for other in others]).mean(0)
