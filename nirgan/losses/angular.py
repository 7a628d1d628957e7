"""A loss for the direction of colours."""

from torch import Tensor, nn
from torch.nn.functional import cosine_similarity


class AngularLoss(nn.Module):
    """Mean of 1 - cos(angle) between predicted and true RGB vectors, from 0 to 1.

    The angle itself has a kink at 0, where its gradient jumps; 1 - cos is smooth there and grows
    with the angle alike.
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of pictures, both B x 3 x H x W in [0, 1]: a scalar."""
        return (1 - cosine_similarity(prediction.float(), target.float(), dim=1, eps=1e-4)).mean()
