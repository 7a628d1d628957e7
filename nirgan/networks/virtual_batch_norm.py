"""Virtual batch norm, for any network here.

Salimans et al., "Improved techniques for training GANs", NeurIPS 2016, section 3.4: every example
is normalized by the statistics of a reference batch, chosen once and fixed, and of itself; the
reference batch by its own alone. So one example's output does not depend on the others of its
batch. With R references, the means of x and of x^2 over all R + 1 are what the authors' code takes.

It costs a second pass, of the reference batch, through the network at every step.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from nirgan.networks.global_layers import Moments
from nirgan.utils.recording import Recorded


class VirtualBatchNorm(Moments):
    """The layer, which `VirtualBatchNormalized` uses instead of batch norm."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps
        self.reference: tuple[Tensor, Tensor, int] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Normalize B x C x H x W.

        Without reference statistics, the batch is the reference: it is normalized by its own
        statistics, which are stored for the next one.
        """
        wide = x.float()
        if self.reference is None:
            mean, square = (part.mean((0, 2, 3), keepdim=True) for part in (wide, wide.square()))
            self.reference = mean, square, len(x)
        else:
            of_reference, of_its_square, count = self.reference
            own = 1 / (count + 1)
            own_mean, own_square = (part.to(wide.dtype) for part in self.statistics(wide))
            mean = own * own_mean + (1 - own) * of_reference
            square = own * own_square + (1 - own) * of_its_square
        scale = self.weight.view(1, -1, 1, 1) * torch.rsqrt(square - mean.square() + self.eps)
        return ((wide - mean) * scale + self.bias.view(1, -1, 1, 1)).to(x.dtype)


class VirtualBatchNormalized(Recorded, nn.Module):
    """A network with virtual batch norm wherever it had batch norm.

    The first batch of training, of several ranks that of the first, becomes the reference, and is
    kept in checkpoints. Before that a batch is its own reference, as in batch norm.

    Args:
        network: A generator or a discriminator; its layers are reached as `network.NAME`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = _converted(network)
        self._norms = [m for m in network.modules() if isinstance(m, VirtualBatchNorm)]
        if not self._norms:
            raise ValueError(f"{type(network).__name__} has no batch norm to replace")
        self.references = 0

    def forward(self, *inputs: Tensor) -> Tensor:
        """Apply the network to its inputs, each B x C x H x W."""
        if self.training and not self.references:
            self._register_references([_from_first_rank(x) for x in inputs])
        for norm in self._norms:
            norm.reference = None
        if not self.references:
            return cast(Tensor, self.network(*inputs))
        self.network(*(self.get_buffer(f"reference_{i}") for i in range(self.references)))
        return cast(Tensor, self.network(*inputs))

    def _register_references(self, batches: list[Tensor]) -> None:
        for number, batch in enumerate(batches):
            self.register_buffer(f"reference_{number}", batch)
        self.references = len(batches)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        start = f"{prefix}reference_"
        kept = {key: value for key, value in state_dict.items() if key.startswith(start)}
        self._register_references([torch.empty_like(kept[key]) for key in sorted(kept)])
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _from_first_rank(batch: Tensor) -> Tensor:
    batch = batch.detach().clone(memory_format=torch.contiguous_format)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.broadcast(batch, 0)
    return batch


def _converted(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, VirtualBatchNorm(child.num_features, child.eps))
        else:
            _converted(child)
    return module
