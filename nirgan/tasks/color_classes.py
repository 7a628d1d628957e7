"""Colorization as a classification, in which rare colors have larger weights.

Zhang, Isola and Efros 2016, sections 2.1 and 2.2. The frequencies of colors are counted over all
pixels of the training regions when a run starts, and kept in the checkpoint. Departure for
near-infrared: the lightness is learned too, with a mean absolute error.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy, l1_loss

from nirgan.data.batches import Batch
from nirgan.errors import NirganError
from nirgan.networks.generators.zhang import Zhang, soft_encoding
from nirgan.tasks.training import GradientTask, MakeOptimizer, Schedule
from nirgan.utils.color_spaces import rgb_to_lab


class ColorClassesTask(GradientTask):
    """Cross-entropy against softly encoded colors, weighted by the rarity of each pixel's bin.

    Args:
        generator: One with `points` and `classify`, see `nirgan.networks.generators.zhang`.
        uniform: Share of the uniform distribution that is mixed into that of the colors (lambda,
            eq. 4), more than 0; with 1, all bins have the same weight.
        neighbours: Number of bins that a color is encoded by.
        sigma: Standard deviation of the Gaussian of that encoding, and of the smoothing of the
            frequencies.
        lightness: Weight of the mean absolute error of L / 100.
        optimizer: None: Adam with a learning rate of 1e-3.
        scheduler: See `nirgan.tasks.training.Schedule`.
        channels_last: Memory layout of the network; much faster with bf16.

    Raises:
        NirganError: A number is out of range, or the generator lacks `points` or `classify`.
    """

    generator: Zhang
    weights: Tensor

    def __init__(
        self,
        generator: nn.Module,
        uniform: float = 0.5,
        neighbours: int = 5,
        sigma: float = 5.0,
        lightness: float = 10.0,
        optimizer: MakeOptimizer | None = None,
        scheduler: Schedule | None = None,
        channels_last: bool = False,
    ) -> None:
        super().__init__(generator, optimizer, scheduler, channels_last)
        self.require_attributes("points", "classify")
        if not 0 < uniform <= 1:
            raise NirganError(f"model.uniform is {uniform}, expected more than 0, at most 1")
        if sigma <= 0:
            raise NirganError(f"model.sigma is {sigma}, expected more than 0")
        bins = len(self.generator.points)
        if not 1 <= neighbours <= bins:
            raise NirganError(f"model.neighbours is {neighbours}, expected 1 to {bins}, the bins")
        self.uniform, self.neighbours, self.sigma = uniform, neighbours, sigma
        self.lightness = lightness
        self.register_buffer("weights", torch.zeros(bins))

    def on_fit_start(self) -> None:
        """Count the colors of the training regions, unless a checkpoint holds the weights."""
        if self.weights.any():
            return
        count = torch.zeros_like(self.weights)
        for picture in self.training_data.training_pictures():
            count += self.count(picture["rgb"].to(self.device))
        self.weights.copy_(rebalancing(count, self.generator.points, self.sigma, self.uniform))

    def count(self, rgb: Tensor) -> Tensor:
        """How many pixels of pictures, B x 3 x H x W in [-1, 1], are nearest to each bin."""
        points = self.generator.points
        colors = rgb_to_lab(rgb)[:, 1:].permute(0, 2, 3, 1).reshape(-1, 2)
        parts = torch.split(colors, 2**16)  # all distances at once need too much memory
        nearest = [torch.cdist(part, points).argmin(1) for part in parts]
        return torch.bincount(torch.cat(nearest), minlength=len(points)).to(self.weights.dtype)

    def compute_losses(self, batch: Batch) -> dict[str, Tensor]:
        """See `losses`."""
        return self.losses(*self.generator.classify(batch["triplet"]), batch["rgb"])

    def losses(self, logits: Tensor, lightness: Tensor, rgb: Tensor) -> dict[str, Tensor]:
        """The weighted losses by name: eq. 2, and the lightness."""
        with torch.autocast(rgb.device.type, enabled=False):
            lab = rgb_to_lab(rgb)
            ab = adaptive_avg_pool2d(lab[:, 1:], (logits.shape[2], logits.shape[3]))
            flat = ab.permute(0, 2, 3, 1).reshape(-1, 2)
            truth = soft_encoding(flat, self.generator.points, self.neighbours, self.sigma)
            given = logits.float().permute(0, 2, 3, 1).flatten(0, 2)
            loss = self.weights[truth.argmax(1)] * cross_entropy(given, truth, reduction="none")
            dark = l1_loss(lightness.float(), lab[:, :1]) / 100
        return {"color": loss.mean(), "lightness": self.lightness * dark}


def rebalancing(count: Tensor, points: Tensor, sigma: float, uniform: float) -> Tensor:
    """Weights of the bins by their rarity (eq. 4).

    Args:
        count: Pixels of each bin, Q.
        points: The bins, Q x 2.
        sigma: Standard deviation of the Gaussian that smooths the counts over neighbouring bins.
        uniform: Share of the uniform distribution that is mixed in, lambda.

    Returns:
        Q, whose mean over the smoothed distribution is 1.
    """
    spread = torch.softmax(-torch.cdist(points, points).square() / (2 * sigma**2), 0)
    smoothed = (spread * count).sum(1)  # distributes the count of each bin
    smoothed = smoothed / smoothed.sum()
    weights = 1 / ((1 - uniform) * smoothed + uniform / len(points))
    return weights / (smoothed * weights).sum()
