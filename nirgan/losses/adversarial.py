"""The adversarial losses: eq. 3 and 4 of Suárez, Sappa and Vintimilla 2017, on logits.

With D the sigmoid of a logit l, log D = logsigmoid(l) and log(1 - D) = logsigmoid(-l): neither
overflows nor takes the logarithm of 0, however large the logits are.
"""

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
