"""Conditional GAN training as in the paper: a generator against a discriminator.

Suárez, Sappa and Vintimilla 2017, section 3. Names as there: y is the NIR band, z the noise on it,
x the true color picture, G(y, z) the generated one.
"""

from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import Adam

from nirgan.data.batches import Batch
from nirgan.errors import NirganError
from nirgan.losses.adversarial import discriminator_loss, generator_loss, gradient_penalty
from nirgan.tasks.alternating import AlternatingTask
from nirgan.tasks.training import LossCollection, MakeOptimizer, Schedule, WeightedLoss
from nirgan.utils.nearest_name import did_you_mean


@dataclass
class WeightRegularizer:
    """The paper's L1 regularization, on the weights of a single layer of the generator.

    The paper names neither the layer nor the weight.

    Attributes:
        layer: Name of a module of the generator; all weights in it count, biases and batch norm
            do not. None: its first convolution or linear layer, of whatever name.
        weight: Factor of the sum of their absolute values; 0 leaves it out.
    """

    layer: str | None = None
    weight: float = 0.0


class AdversarialTask(AlternatingTask):
    """Alternating updates of a discriminator and a generator.

    Args:
        generator: B x 3 x H x W to B x 3 x H x W, both in [-1, 1].
        discriminator: Takes a color picture (B x 3 x H x W) and the NIR band (B x 1 x H x W), both
            in [-1, 1], and returns logits of any shape.
        adversarial_weight: Weight of eq. 4 in the generator's loss.
        saturating: The generator minimizes log(1 - D(G)), eq. 4; otherwise it maximizes log D(G).
        gradient_penalty: Half of this times the squared norm of the gradient of D's logits by true
            and by generated pictures is added to its loss (R1 and R2, Mescheder, Geiger and Nowozin
            2018); for a discriminator without batch norm. The paper has none.
        reconstruction: Further losses by name. The paper has none.
        l1: L1 regularization of one layer's weights.
        generator_optimizer: None: the paper's Adam, learning rate 2e-4, betas 0.4 and 0.999,
            weight decay 1e-5.
        discriminator_optimizer: None: the same with beta1 0.5.
        scheduler: A learning-rate schedule for both, see `nirgan.tasks.training.Schedule`.
        gradient_clip_norm: Largest norm of each network's gradient; None does not clip.
        channels_last: Memory layout of both networks; much faster with bf16.
        lr_factors: Factors of the learning rate by part of the task, as `generator.encoder`.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        adversarial_weight: float = 1.0,
        saturating: bool = True,
        gradient_penalty: float = 0.0,
        reconstruction: dict[str, WeightedLoss] | None = None,
        l1: WeightRegularizer | None = None,
        generator_optimizer: MakeOptimizer | None = None,
        discriminator_optimizer: MakeOptimizer | None = None,
        scheduler: Schedule | None = None,
        gradient_clip_norm: float | None = None,
        channels_last: bool = False,
        lr_factors: dict[str, float] | None = None,
    ) -> None:
        super().__init__(
            generator,
            (
                discriminator_optimizer or _papers_adam(beta1=0.5),
                generator_optimizer or _papers_adam(beta1=0.4),
            ),
            scheduler,
            gradient_clip_norm,
            lr_factors,
        )
        self.discriminator = discriminator
        self.adversarial_weight, self.saturating = adversarial_weight, saturating
        self.gradient_penalty = gradient_penalty
        self.reconstruction = LossCollection(reconstruction or {})
        if not (adversarial_weight or self.reconstruction or (l1 and l1.weight)):
            raise NirganError(
                "model.adversarial_weight is 0 and no reconstruction loss has a weight: "
                "the generator has nothing to learn from; raise one"
            )
        if gradient_clip_norm is not None and gradient_clip_norm <= 0:
            raise NirganError(
                f"model.gradient_clip_norm is {gradient_clip_norm}, expected more than 0, or null"
            )
        weights = {"adversarial_weight": adversarial_weight, "gradient_penalty": gradient_penalty}
        for name, weight in (weights | {"l1.weight": l1.weight if l1 else 0.0}).items():
            if weight < 0:
                raise NirganError(f"model.{name} is {weight}, expected 0 or more")
        self.l1 = l1
        self.regularized = _regularized_weights(generator, l1.layer) if l1 is not None else []
        if channels_last:
            self.to(memory_format=torch.channels_last)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One update of D by eq. 3, then one of G by eq. 4."""
        x, y = batch["rgb"], batch["nir"]
        optimizer_d, optimizer_g = cast(list[LightningOptimizer], self.optimizers())
        generated = self(batch["triplet"])

        with self.toggled_optimizer(optimizer_d):
            judged = self.discriminator_loss(x, y, generated.detach())
            self.update(optimizer_d, judged[0])

        with self.toggled_optimizer(optimizer_g):
            losses = self.generator_losses(x, y, generated)
            self.update(optimizer_g, torch.stack(list(losses.values())).sum())

        self.end_step(batch, generated, judged, losses)

    def discriminator_loss(self, x: Tensor, y: Tensor, generated: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of D, minus the value of eq. 3, and the share of logits with the right sign."""
        if self.gradient_penalty:
            x, generated = (p.detach().requires_grad_() for p in (x, generated))
        real, made = self.discriminator(x, y), self.discriminator(generated, y)
        loss = discriminator_loss(real, made)
        if self.gradient_penalty:
            steep = gradient_penalty(real, x) + gradient_penalty(made, generated)
            loss = loss + self.gradient_penalty / 2 * steep
        return loss, ((real > 0).float().mean() + (made < 0).float().mean()) / 2

    def generator_losses(self, x: Tensor, y: Tensor, generated: Tensor) -> dict[str, Tensor]:
        """The weighted losses of G by name: eq. 4, and those of the configuration."""
        losses = {}
        if self.adversarial_weight:
            logits = self.discriminator(generated, y)
            fooled = generator_loss(logits, saturating=self.saturating)
            losses["generator"] = self.adversarial_weight * fooled
        losses |= self.reconstruction(generated, x)
        if self.l1 is not None and self.l1.weight:
            size = torch.stack([weight.abs().sum() for weight in self.regularized]).sum()
            losses["l1_regularizer"] = self.l1.weight * size
        return losses


def _papers_adam(beta1: float) -> MakeOptimizer:
    return partial(Adam, lr=2e-4, betas=(beta1, 0.999), eps=1e-8, weight_decay=1e-5)


def _regularized_weights(network: nn.Module, layer: str | None) -> list[Parameter]:
    layers, kinds = dict(network.named_modules()), nn.Conv2d | nn.ConvTranspose2d | nn.Linear
    if layer is None:
        layer = next((name for name, m in layers.items() if isinstance(m, kinds)), "")
    if layer not in layers:
        raise NirganError(
            f"model.l1.layer: the generator has no layer {layer!r}{did_you_mean(layer, layers)}"
        )
    inside = layers[layer].modules()
    weights = [cast(Parameter, m.weight) for m in inside if isinstance(m, kinds)]
    if not weights:
        raise NirganError(f"model.l1.layer: {layer!r} has no weights; name a convolution")
    return weights
