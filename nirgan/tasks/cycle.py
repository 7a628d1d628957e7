"""CycleGAN: colors from NIR pictures and color pictures that do not show the same.

Zhu, Park, Isola and Efros 2017, one of the plans for future work of the triplet's paper. G makes
color of NIR, F makes NIR of color; a discriminator for each of the two; least-squares losses;
F(G(y)) must be y and G(F(x)) x; discriminators see a pool of former pictures. NIR and color of a
batch come from different patches, the colors shifted by one against the NIR. `paired` adds the
true pairs' L1 to that; at 0 no pair is ever looked at.
"""

from functools import partial
from typing import Any, cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss
from torch.optim import Adam
from torch.optim.lr_scheduler import LRScheduler

from nirgan.data.datamodule import Batch
from nirgan.errors import NirganError
from nirgan.tasks.base import ColorizationTask
from nirgan.tasks.training import MakeOptimizer, Schedule, make_scheduler


class ImagePool:
    """Former pictures, of which half of those that a discriminator sees are (section 4).

    Args:
        size: Pictures kept; with 0 the newest are given back.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.pictures: list[Tensor] = []

    def exchange(self, batch: Tensor) -> Tensor:
        """Each picture of B x C x H x W, or one from the pool in whose place it is kept."""
        given = []
        # In one memory layout, so that a convolution gives the same for a pool from a checkpoint.
        for picture in batch.detach().contiguous():
            if len(self.pictures) < self.size:
                self.pictures.append(picture)
                given.append(picture)
            elif self.size and torch.rand(()) < 0.5:
                place = int(torch.randint(self.size, ()))
                given.append(self.pictures[place].to(batch.device))
                self.pictures[place] = picture
            else:
                given.append(picture)
        return torch.stack(given)


class CycleTask(ColorizationTask):
    """Two generators and two discriminators, alternately updated.

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
        super().__init__(generator)
        self.save_hyperparameters(logger=False)
        self.automatic_optimization = False
        self.inverse = inverse
        self.discriminator = discriminator
        self.inverse_discriminator = inverse_discriminator
        self.cycle, self.identity, self.paired = cycle, identity * cycle, paired
        self.pools = ImagePool(pool), ImagePool(pool)
        adam: MakeOptimizer = partial(Adam, lr=2e-4, betas=(0.5, 0.999))
        self.make_optimizers = (discriminator_optimizer or adam, generator_optimizer or adam)
        self.schedule = scheduler
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
                pairs = self.paired * l1_loss(self.generator(batch["triplet"]), batch["rgb"])
                losses["paired"] = pairs
            self._update(optimizer_g, torch.stack(list(losses.values())).sum())

        with self.toggled_optimizer(optimizer_d):
            seen = self.pools[0].exchange(color), self.pools[1].exchange(band)
            loss_d = self.discriminator_loss(x, y, *seen)
            self._update(optimizer_d, loss_d)

        for scheduler in cast(list[LRScheduler], self.lr_schedulers() or []):
            scheduler.step()
        self.log("train/discriminator", loss_d, prog_bar=True)
        self.log_dict({f"train/{name}": loss for name, loss in losses.items()}, prog_bar=True)

    def generator_losses(
        self, x: Tensor, y: Tensor, color: Tensor, band: Tensor
    ) -> dict[str, Tensor]:
        """What G and F descend, weighted, by name.

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

    def discriminator_loss(self, x: Tensor, y: Tensor, color: Tensor, band: Tensor) -> Tensor:
        """What both descend: half the squared distance of true ones to 1, of made ones to 0."""
        true, made = self._judged(x, y), self._judged(color, band)
        losses = [mse_loss(d, torch.ones_like(d)) for d in true]
        losses += [mse_loss(d, torch.zeros_like(d)) for d in made]
        return torch.stack(losses).sum() / 2

    def configure_optimizers(self) -> Any:
        """One for the discriminators and one for the generators, each with its schedule."""
        make_d, make_g = self.make_optimizers
        judges = [*self.discriminator.parameters(), *self.inverse_discriminator.parameters()]
        makers = [*self.generator.parameters(), *self.inverse.parameters()]
        optimizers = [make_d(judges), make_g(makers)]
        if self.schedule is None:
            return optimizers
        return optimizers, [make_scheduler(self, self.schedule, o) for o in optimizers]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the pools of all ranks: ranks x pictures x C x H x W each."""
        pools = [torch.stack(pool.pictures) for pool in self.pools if pool.pictures]
        gathered = [cast(Tensor, self.all_gather(pool)) for pool in pools]  # all ranks come here
        checkpoint["pools"] = [
            ranks.reshape(-1, *own.shape) for ranks, own in zip(gathered, pools, strict=True)
        ]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take this rank's pools back."""
        for pool, kept in zip(self.pools, checkpoint.get("pools", []), strict=False):
            pool.pictures = list(kept[self.global_rank % len(kept)])

    def _judged(self, color: Tensor, band: Tensor) -> tuple[Tensor, Tensor]:
        first = self.discriminator(color, band[:, :1])
        return first, self.inverse_discriminator(band, band[:, :1])

    def _update(self, optimizer: LightningOptimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()


def unpaired(batch: Batch) -> tuple[Tensor, Tensor]:
    """Colors and NIR of different patches, both B x 3 x H x W in [-1, 1].

    Raises:
        NirganError: There is one patch alone.
    """
    if len(batch["rgb"]) < 2:
        raise NirganError("data.batch_size is 1: an unpaired batch needs 2 patches or more")
    return batch["rgb"].roll(1, 0), batch["triplet"]


def grey(pictures: Tensor) -> Tensor:
    """NIR as three equal channels: the mean of a picture's."""
    return pictures.mean(1, keepdim=True).expand_as(pictures)
