"""Colorization by example: pixels are classified by texture, and confident ones spread color.

Irony, Cohen-Or and Lischinski, "Colorization by example", Eurographics Symposium on Rendering 2005:
pixels of a segmented reference are described by the DCT coefficients of their 7x7 neighbourhood, in
a subspace that separates the segments; the target's pixels are
classified by their nearest neighbours there, then by a vote of their neighbourhood in the picture;
confident pixels become scribbles, from which color is spread by optimization
(`nirgan.networks.spreading`). Choices and departures:

- The reference is selected and compared by NIR, as in `nirgan.networks.generators.welsh`.
- A person segments their reference; here k-means does, on its colors in CIELAB.
- The subspace is that of Fisher's discriminant, where theirs takes two principal component
  analyses in turn, of differences within segments and between them.
- Pictures of more than a megapixel are colored at that size, and the colors scaled up.
- A match gives its pixel's color, not that of the pixel shifted as in the target.
"""

import warnings

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from scipy.fft import idctn
from scipy.linalg import eigh
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, one_hot, pad

from nirgan.networks.examples import Examples, jittered
from nirgan.networks.spreading import spread
from nirgan.utils.color_spaces import lab_to_rgb, rgb_to_lab
from nirgan.utils.recording import Recorded

CHUNK_PIXELS = 2**15
"""Pixels that are compared with all samples at the same time."""
MAX_PIXELS = 2**20
"""Of a picture with more pixels, the colors, but not the lightness, are computed at a smaller size:
the sparse system takes tens of gigabytes for tens of megapixels."""


class Irony(Recorded, nn.Module):
    """Classifies pixels by texture, and spreads color from confident ones.

    Args:
        samples: Samples of a reference.
        segments: Segments of a reference.
        window: Height and width of the neighbourhood for the DCT and for the vote, odd.
        neighbours: Nearest samples that classify a pixel.
        confidence: Share of the vote above which a pixel is a scribble.
    """

    texture: Tensor

    def __init__(
        self,
        samples: int = 400,
        segments: int = 4,
        window: int = 7,
        neighbours: int = 5,
        confidence: float = 0.5,
    ) -> None:
        super().__init__()
        if window < 3 or window % 2 == 0:
            raise ValueError(f"window is {window}, expected an odd number from 3 on")
        if not 1 <= neighbours <= samples:
            raise ValueError(f"neighbours is {neighbours}, expected 1 to {samples}, the samples")
        if segments < 1:
            raise ValueError(f"segments is {segments}, expected 1 or more")
        self.samples, self.segments, self.window = samples, segments, window
        self.neighbours, self.confidence = neighbours, confidence
        self.examples = Examples(samples, window**2 + 3, window=window, segments=segments)
        self.register_buffer("texture", cosines(window), persistent=False)

    def update(self, nir: Tensor, rgb: Tensor) -> None:
        """Store pictures as references: B x 1 and B x 3 x H x W, both in [-1, 1]."""
        for band, lab, described in zip(nir, rgb_to_lab(rgb), self._dct(nir), strict=True):
            row, column = jittered(band[0], self.samples, seed=len(self.examples))
            colors = lab[:, row, column].T
            segment = segment_colors(colors, self.segments)[:, None]
            texture = described[:, row, column].T
            self.examples.add(band[0], torch.cat([texture, segment, colors[:, 1:]], 1))

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to the same; a grey copy before any update."""
        nir = triplet.mean(1, keepdim=True).clamp(-1, 1)
        if not len(self.examples):
            return nir.expand_as(triplet)
        scale = min(1.0, (MAX_PIXELS / nir[0].numel()) ** 0.5)
        size = [max(1, round(side * scale)) for side in nir.shape[-2:]]
        seen = nir if scale == 1 else interpolate(nir, size, mode="area")
        pairs = zip(seen, self._dct(seen), strict=True)
        colors = torch.stack([self._spread_colors(*pair) for pair in pairs])
        if scale < 1:
            colors = interpolate(colors, nir.shape[-2:], mode="bilinear")
        lightness = rgb_to_lab(nir.expand(-1, 3, -1, -1))[:, :1]
        return lab_to_rgb(torch.cat([lightness, colors], 1))

    def classify(self, nir: Tensor, described: Tensor) -> tuple[Tensor, Tensor]:
        """Classify every pixel of 1 x H x W in [-1, 1], by a vote of its neighbourhood.

        `described` are its DCT coefficients, C x H x W. Gives colors (a and b), 2 x H x W, and
        their share of the vote, H x W.
        """
        _, pixels = self.examples.closest(nir[0])
        texture, (segment, colors) = pixels[:, :-3], (pixels[:, -3].long(), pixels[:, -2:])
        subspace = separating_directions(texture, segment)
        known, given = texture @ subspace, described.flatten(1).T @ subspace
        parts = given.split(CHUNK_PIXELS)  # type: ignore[no-untyped-call]
        near = [_nearest(part, known, segment, self.neighbours) for part in parts]
        distance, match = (torch.cat(column) for column in zip(*near, strict=True))
        height, width = nir.shape[-2:]
        # Relative to the mean distance, or exp(-distance) might be 0 for all.
        weight = torch.exp(-distance / distance.mean().clamp(min=1e-6))
        votes = one_hot(segment[match], self.segments).T * weight
        shares = self._average(votes.view(-1, height, width))
        vote, winner = (shares / shares.sum(0)).max(0)
        mean = torch.stack([self._average((votes * c[match]).view_as(shares)) for c in colors.T])
        chosen = winner.expand(2, 1, -1, -1)
        return (mean / shares.clamp(min=1e-12)).gather(1, chosen)[:, 0], vote

    def _spread_colors(self, nir: Tensor, described: Tensor) -> Tensor:
        colors, vote = self.classify(nir, described)
        clear = (vote > self.confidence).cpu().numpy()
        if clear.all() or not clear.any():
            return colors
        known = colors.permute(1, 2, 0).double().cpu().numpy()
        filled = spread(nir[0].double().cpu().numpy(), known, clear)
        return torch.from_numpy(filled).to(colors).permute(2, 0, 1)

    def _dct(self, nir: Tensor) -> Tensor:
        """DCT coefficients of every pixel's neighbourhood, B x window^2 x H x W."""
        whole = pad(nir, (self.window // 2,) * 4, mode="replicate")
        return conv2d(whole, self.texture)

    def _average(self, maps: Tensor) -> Tensor:
        """Average C x H x W over every pixel's window, with zeros outside of the picture."""
        side = self.window // 2
        return avg_pool2d(maps[None], self.window, 1, side)[0]


def cosines(window: int) -> Tensor:
    """The basis of the discrete cosine transform (DCT-II, orthonormal), N^2 x 1 x N x N."""
    units = np.eye(window**2).reshape(-1, window, window)
    basis = np.stack([idctn(unit, norm="ortho") for unit in units])
    return torch.from_numpy(basis).float()[:, None]


def segment_colors(colors: Tensor, count: int) -> Tensor:
    """The segment of each of N colors (N x 3), by k-means on standardized values."""
    numbers = colors.double().cpu().numpy()
    numbers = (numbers - numbers.mean(0)) / np.maximum(numbers.std(0), 1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a segment is empty if there are fewer colors
        _, label = kmeans2(numbers, count, minit="++", seed=0)
    return torch.from_numpy(label).to(colors)


def separating_directions(texture: Tensor, segment: Tensor) -> Tensor:
    """Fisher's discriminant: directions that separate the textures, N x C, of S segments.

    They are C x max(1, S - 1), scaled so that the variance within a segment is 1.
    """
    x = texture.double().cpu().numpy()
    _, label = np.unique(segment.cpu().numpy(), return_inverse=True)
    count = int(label.max()) + 1
    means = np.stack([x[label == one].mean(0) for one in range(count)])
    within = np.cov((x - means[label]).T)
    # Regularized, as a few samples may have no variance along a direction.
    within += np.eye(len(within)) * (1e-3 * np.trace(within) / len(within) + 1e-9)
    _, axes = eigh(np.cov(x.T), within)
    return torch.from_numpy(axes[:, : -max(2, count) : -1].copy()).to(texture)


def _nearest(
    given: Tensor, known: Tensor, segment: Tensor, neighbors: int
) -> tuple[Tensor, Tensor]:
    """Distance and number of the nearest sample of the segment that most of the nearest are in."""
    distance, number = torch.cdist(given, known).topk(neighbors, largest=False)
    labels = segment[number]
    majority = labels.mode(1, keepdim=True).values
    first = (labels == majority).long().argmax(1, keepdim=True)
    return distance.gather(1, first)[:, 0], number.gather(1, first)[:, 0]
