"""CycleGAN: colorization learned from unpaired NIR and color pictures.

Zhu, Park, Isola and Efros 2017, which the triplet's paper names as future work. G maps NIR to
color, F maps color to NIR, each with a discriminator; least-squares losses; F(G(y)) should be y and
G(F(x)) should be x; the discriminators see a pool of former pictures. The NIR and color pictures of
a batch come from different patches: the colors are shifted by one against the NIR. `paired` adds an
L1 loss on true pairs; with 0, no pair is used.
"""

from functools import partial
from typing import Any, cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss
from torch.optim import Adam

from nirgan.data.batches import Batch
from nirgan.errors import NirganError
from nirgan.tasks.alternating import AlternatingTask
from nirgan.tasks.training import MakeOptimizer, Schedule


class ImagePool:
    """Up to `size` former generated pictures, half of what a discriminator sees (section 4)."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.pictures: list[Tensor] = []

    def exchange(self, batch: Tensor) -> Tensor:
        """Each picture of B x C x H x W, or one from the pool, which it replaces there."""
        given = []
        # One memory layout, so that a pool from a checkpoint gives the same result to the bit.
        for picture in batch.detach().contiguous():
            given.append(picture)
            if len(self.pictures) < self.size:
                self.pictures.append(picture.clone())  # without the rest of its batch
            elif self.size and torch.rand(()) < 0.5:
                place = int(torch.randint(self.size, ()))
                given[-1] = self.pictures[place].to(batch.device)
                self.pictures[place] = picture.clone()
        return torch.stack(given)


class CycleTask(AlternatingTask):
    """Alternating updates of two generators and two discriminators.

    Args:
        generator: G, NIR to color: B x 3 x H x W to B x 3 x H x W, both in [-1, 1].
        inverse: F, color to NIR, of the same shapes; the mean of its channels is the band.
        discriminator: Takes colors and the band and returns logits; made without a condition,
            since nothing real goes with an unpaired picture.
        inverse_discriminator: The same for NIR, in three equal channels.
        cycle: Weight of |F(G(y)) - y| and |G(F(x)) - x|.
        identity: Weight of |G(x) - x| and |F(y) - y|, as a part of `cycle`.
        paired: Weight of |G(y) - x| on true pairs; the publication has none.
        pool: Former pictures that each discriminator may see.
        generator_optimizer: None: Adam, learning rate 2e-4, beta1 0.5.
        discriminator_optimizer: None: the same.
        scheduler: See `nirgan.tasks.training.Schedule`.
        channels_last: Memory layout of all networks.
    """

    sides = ("discriminator", "inverse_discriminator"), ("generator", "inverse")

    def __init__(
        self,
        generator: nn.Module,
        inverse: nn.Module,
        discriminator: nn.Module,
        inverse_discriminator: nn.Module,
        cycle: float = 10.0,
        identity: float = 0.5,
        paired: float = 0.0,
        pool: int = 50,
        generator_optimizer: MakeOptimizer | None = None,
        discriminator_optimizer: MakeOptimizer | None = None,
        scheduler: Schedule | None = None,
        channels_last: bool = False,
    ) -> None:
        adam: MakeOptimizer = partial(Adam, lr=2e-4, betas=(0.5, 0.999))
        optimizers = discriminator_optimizer or adam, generator_optimizer or adam
        super().__init__(generator, optimizers, scheduler)
        self.inverse = inverse
        self.discriminator = discriminator
        self.inverse_discriminator = inverse_discriminator
        self.cycle, self.identity, self.paired = cycle, identity * cycle, paired
        self.pools = ImagePool(pool), ImagePool(pool)
        if channels_last:
            self.to(memory_format=torch.channels_last)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One update of both generators, then one of both discriminators."""
        x, y = unpaired(batch)
        optimizer_d, optimizer_g = cast(list[LightningOptimizer], self.optimizers())
        color, band = self.generator(y), grey(self.inverse(x))

        with self.toggled_optimizer(optimizer_g):
            losses = self.generator_losses(x, y, color, band)
            if self.paired:
                losses["paired"] = self.paired * l1_loss(color, batch["rgb"])
            self.update(optimizer_g, torch.stack(list(losses.values())).sum())

        with self.toggled_optimizer(optimizer_d):
            seen = self.pools[0].exchange(color), self.pools[1].exchange(band)
            judged = self.discriminator_loss(x, y, *seen)
            self.update(optimizer_d, judged[0])

        self.end_step(batch, color, judged, losses)

    def generator_losses(
        self, x: Tensor, y: Tensor, color: Tensor, band: Tensor
    ) -> dict[str, Tensor]:
        """The weighted losses of G and F by name.

        Args:
            x: True colors, B x 3 x H x W in [-1, 1].
            y: NIR in three channels, of other places.
            color: G(y).
            band: F(x).
        """
        fooled = self._judged(color, band)
        losses = {"generator": sum(mse_loss(d, torch.ones_like(d)) for d in fooled)}
        back = l1_loss(grey(self.inverse(color)), y) + l1_loss(self.generator(band), x)
        losses["cycle"] = self.cycle * back
        if self.identity:
            same = l1_loss(self.generator(x), x) + l1_loss(grey(self.inverse(y)), y)
            losses["identity"] = self.identity * same
        return cast(dict[str, Tensor], losses)

    def discriminator_loss(
        self, x: Tensor, y: Tensor, color: Tensor, band: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss of both, and the share of outputs on the right side of 0.5.

        It is half the squared distance of true outputs to 1, and of others to 0.
        """
        true, made = self._judged(x, y), self._judged(color, band)
        losses = [mse_loss(d, torch.ones_like(d)) for d in true]
        losses += [mse_loss(d, torch.zeros_like(d)) for d in made]
        right = [(d > 0.5).float().mean() for d in true] + [(d < 0.5).float().mean() for d in made]
        return torch.stack(losses).sum() / 2, torch.stack(right).mean()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the pools of all ranks: ranks x pictures x C x H x W each."""
        stored = (pool.pictures for pool in self.pools if pool.pictures)
        pools = [torch.stack([picture.to(self.device) for picture in kept]) for kept in stored]
        gathered = [cast(Tensor, self.all_gather(pool)) for pool in pools]
        checkpoint["pools"] = [
            ranks.reshape(-1, *own.shape) for ranks, own in zip(gathered, pools, strict=True)
        ]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore this rank's pools."""
        for pool, kept in zip(self.pools, checkpoint.get("pools", []), strict=False):
            pool.pictures = list(kept[self.global_rank % len(kept)])

    def _judged(self, color: Tensor, band: Tensor) -> tuple[Tensor, Tensor]:
        first = self.discriminator(color, band[:, :1])
        return first, self.inverse_discriminator(band, band[:, :1])


def unpaired(batch: Batch) -> tuple[Tensor, Tensor]:
    """Colors and NIR of different patches, both B x 3 x H x W in [-1, 1].

    Raises:
        NirganError: The batch has only one patch.
    """
    if len(batch["rgb"]) < 2:
        raise NirganError("data.batch_size is 1: an unpaired batch needs 2 patches or more")
    return batch["rgb"].roll(1, 0), batch["triplet"]


def grey(pictures: Tensor) -> Tensor:
    """The mean of the channels, as three equal channels."""
    return pictures.mean(1, keepdim=True).expand_as(pictures)
