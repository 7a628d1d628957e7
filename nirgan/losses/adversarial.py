"""The adversarial losses: eq. 3 and 4 of Suárez, Sappa and Vintimilla 2017, on logits.

With D the sigmoid of a logit l, log D = logsigmoid(l) and log(1 - D) = logsigmoid(-l): neither
overflows nor takes the logarithm of 0, however large the logits are.
"""

from torch import Tensor
from torch.nn.functional import logsigmoid


def discriminator_loss(real: Tensor, generated: Tensor) -> Tensor:
    """The discriminator's loss: -[log D(x) + log(1 - D(G(y, z)))], eq. 3.

    Args:
        real: Logits of true pictures, any shape.
        generated: Logits of generated ones, any shape.

    Returns:
        A scalar, the mean over the batch, at least 0.
    """
    return -(logsigmoid(real.float()).mean() + logsigmoid(-generated.float()).mean())


def generator_loss(generated: Tensor, *, saturating: bool = True) -> Tensor:
    """The generator's loss: log(1 - D(G(y, z))), eq. 4.

    Args:
        generated: Logits of generated pictures, any shape.
        saturating: As eq. 4. Its gradient vanishes when the discriminator is confident; if false,
            the loss is -log D(G(y, z)) (Goodfellow et al. 2014, section 3), whose gradient does
            not.

    Returns:
        A scalar, the mean over the batch.
    """
    if saturating:
        return logsigmoid(-generated.float()).mean()
    return -logsigmoid(generated.float()).mean()
