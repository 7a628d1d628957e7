"""A loss for structure."""

from typing import cast

from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure

from nirgan.utils.recording import Recorded


class SSIMLoss(Recorded, nn.Module):
    """1 - SSIM (Wang et al. 2004; Gaussian window of 11 pixels, sigma 1.5), from 0 to 2."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of pictures, both B x 3 x H x W in [0, 1]: a scalar."""
        similarity = structural_similarity_index_measure(
            prediction.float(), target.float(), data_range=1.0
        )
        return 1 - cast(Tensor, similarity)
