"""The adversarial losses: eq. 3 and 4 of Suárez, Sappa and Vintimilla 2017, and a penalty.

On logits: with D the sigmoid of a logit l, log D = logsigmoid(l) and log(1 - D) = logsigmoid(-l)
neither overflow nor take the logarithm of 0, however large the logits are.
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def discriminator_loss(real: Tensor, generated: Tensor) -> Tensor:
    """The discriminator's loss: -[log D(x) + log(1 - D(G(y, z)))], eq. 3.

    Logits of true and of generated pictures have any shape; their means make a scalar, at least 0.
    """
    return -(logsigmoid(real.float()).mean() + logsigmoid(-generated.float()).mean())


def generator_loss(generated: Tensor, *, saturating: bool = True) -> Tensor:
    """The generator's loss: log(1 - D(G(y, z))), eq. 4: a scalar, the mean over all logits.

    The gradient of eq. 4 vanishes when the discriminator is confident; if not `saturating`, the
    loss is -log D(G(y, z)) (Goodfellow et al. 2014, section 3), whose gradient does not.
    """
    if saturating:
        return logsigmoid(-generated.float()).mean()
    return -logsigmoid(generated.float()).mean()


def gradient_penalty(logits: Tensor, pictures: Tensor) -> Tensor:
    """The squared norm of the gradient of a picture's logit by its B x C x H x W values: a scalar.

    Mean over pictures; a picture with several logits counts with their mean. R1 of Mescheder,
    Geiger and Nowozin 2018 (eq. 9) without its factor, and R2 on generated pictures.
    """
    of_picture = logits.float().reshape(len(pictures), -1).mean(1)
    (gradient,) = torch.autograd.grad(of_picture.sum(), pictures, create_graph=True)
    return gradient.float().square().sum((1, 2, 3)).mean()
