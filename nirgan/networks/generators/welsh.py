"""Color transfer from a reference picture, pixel by pixel.

Welsh, Ashikhmin and Mueller, "Transferring color to greyscale images", SIGGRAPH 2002: some 200
pixels of a reference are sampled on a jittered grid, and its luminance is brought to the mean and
the standard deviation of the target's; every target pixel takes the two colors of the sample that
is nearest in luminance and in the standard deviation of its 5x5 neighbourhood, with equal
weights, and keeps its own luminance, all in l-alpha-beta. Choices and departures:

- The NIR band is used as luminance, of the target and of the references. For a reference without
  NIR, it is the luminance.
- Every training picture is a reference; for a target, the one with the most similar deciles of
  luminance is selected. Theirs are chosen by a person.
- CoLIP's antagonist space can be used instead of l-alpha-beta.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

from nirgan.networks.examples import Examples, jittered
from nirgan.utils.color_spaces import Opponent, opponent_to_rgb, rgb_to_opponent
from nirgan.utils.recording import Recorded

CHUNK_PIXELS = 2**16
"""Pixels that are compared with all samples at the same time."""


class Welsh(Recorded, nn.Module):
    """Transfers color from the most similar reference.

    Args:
        samples: Samples of a reference.
        neighbourhood: Height and width of the neighbourhood in pixels, odd.
        space: Color space of the transfer.
    """

    def __init__(
        self, samples: int = 200, neighbourhood: int = 5, space: Opponent = "lalphabeta"
    ) -> None:
        super().__init__()
        if neighbourhood < 3 or neighbourhood % 2 == 0:
            raise ValueError(f"neighbourhood is {neighbourhood}, expected an odd number from 3 on")
        if samples < 1:
            raise ValueError(f"samples is {samples}, expected 1 or more")
        self.samples, self.neighbourhood, self.space = samples, neighbourhood, space
        self.examples = Examples(samples, 4, neighbourhood=neighbourhood, space=space)

    def update(self, nir: Tensor, rgb: Tensor) -> None:
        """Store pictures as references: B x 1 and B x 3 x H x W, both in [-1, 1]."""
        luminance, deviation = self._luminance_and_deviation(nir)
        colors = rgb_to_opponent(rgb, self.space)[:, 1:]
        numbers = torch.cat([luminance, deviation, colors], 1)
        for one, described in zip(luminance, numbers, strict=True):
            row, column = jittered(one[0], self.samples, seed=len(self.examples))
            self.examples.add(one[0], described[:, row, column].T)

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to the same; a grey copy before any update."""
        nir = triplet.mean(1, keepdim=True).clamp(-1, 1)
        if not len(self.examples):
            return nir.expand_as(triplet)
        luminance, deviation = self._luminance_and_deviation(nir)
        colors = [self._transfer(*one) for one in zip(luminance, deviation, strict=True)]
        return opponent_to_rgb(torch.cat([luminance, torch.stack(colors)], 1), self.space)

    def _luminance_and_deviation(self, nir: Tensor) -> tuple[Tensor, Tensor]:
        """Luminance, and its standard deviation around every pixel; both B x 1 x H x W."""
        luminance = rgb_to_opponent(nir.expand(-1, 3, -1, -1), self.space)[:, :1]
        side = self.neighbourhood // 2
        whole = pad(luminance, (side,) * 4, mode="replicate")
        mean = avg_pool2d(whole, self.neighbourhood, 1)
        square = avg_pool2d(whole.square(), self.neighbourhood, 1)
        return luminance, (square - mean.square()).clamp(min=0).sqrt()

    def _transfer(self, luminance: Tensor, deviation: Tensor) -> Tensor:
        """Colors, 2 x H x W, for a luminance and a deviation of 1 x H x W each."""
        (mean, spread), pixels = self.examples.closest(luminance[0])
        stretch = luminance.std(correction=0) / spread.clamp(min=1e-6)
        known = pixels[:, :2] * stretch  # remaps luminance and its deviation
        known[:, 0] += luminance.mean() - mean * stretch
        given = torch.stack([luminance, deviation], -1).view(-1, 2)
        parts = torch.split(given, CHUNK_PIXELS)
        nearest = [torch.cdist(part, known, p=1).argmin(1) for part in parts]
        return pixels[torch.cat(nearest), 2:].T.reshape(2, *luminance.shape[-2:])
