"""Networks and a loss that trials of the default's recipe put in the place of its own.

What `photographs.py` measured of them stands in `results/ablation`; none is part of the package.
"""

import copy
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, interpolate

from nirgan.metrics.color_difference import ciede2000_of_lab
from nirgan.networks.generators.scene_unet import SceneUNet, _guided, _logit
from nirgan.networks.generators.zhang import annealed_mean, bins, soft_encoding
from nirgan.utils.color_spaces import lab_to_rgb, rgb_to_lab


class RgbToNir(SceneUNet):
    """The same encoder and decoder the other way round: a gain for every channel, and an offset."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.last = nn.Conv2d(self.last.in_channels, 4, 3, padding=1)
        nn.init.zeros_(cast(Tensor, self.last.bias))
        nn.init.normal_(self.last.weight, std=0.01)

    def forward(self, rgb: Tensor) -> Tensor:
        """B x 3 x H x W to B x 1 x H x W, both in [-1, 1]."""
        size = rgb.shape[-2:]
        view = tuple(int(side) for side in self._size(*size))
        small = rgb if view == size else interpolate(rgb, view, mode="bilinear", antialias=True)
        field = interpolate(self.last(self.features(small)), size, mode="bilinear")
        gains, offset = field[:, :3] + 1 / 3, field[:, 3:]
        return torch.tanh(0.5 * ((gains * _logit(rgb)).sum(1, keepdim=True) + offset))


class FullSize(SceneUNet):
    """A small network at full size in place of the guided filter; it sees band and field."""

    def __init__(self, *options: Any) -> None:
        super().__init__(*options)
        self.refine = nn.Sequential(
            nn.Conv2d(7, 16, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(16, 16, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(16, 3, 3, padding=1),
        )
        nn.init.zeros_(cast(Tensor, self.refine[-1].weight))
        nn.init.zeros_(cast(Tensor, self.refine[-1].bias))

    def field(self, view: Tensor) -> Tensor:
        """As that of the base class, not filtered."""
        gain, offset = self.last(self.features(view.expand(-1, 3, -1, -1))).chunk(2, 1)
        return torch.cat((1 + gain, 0.5 * offset), 1)

    def forward(self, triplet: Tensor) -> Tensor:
        """As that of the base class."""
        band = triplet.mean(1, keepdim=True)
        field = interpolate(self.compute_statistics(band), band.shape[-2:], mode="bilinear")
        half = 0.5 * _logit(band)
        offsets = field[:, 3:] + self.refine(torch.cat((half, field), 1))
        return torch.tanh(field[:, :3] * half + offsets)


class CIEDE2000Loss(nn.Module):
    """Mean CIEDE2000, divided by 100, of B x 3 x H x W in [0, 1]; 0 where it has no gradient."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """A scalar."""
        lab = rgb_to_lab(prediction * 2 - 1)
        lab.register_hook(lambda gradient: gradient.nan_to_num(0, 0, 0))
        return ciede2000_of_lab(lab, rgb_to_lab(target * 2 - 1)).mean() / 100


class Bins(SceneUNet):
    """Color as a distribution over bins of CIELAB's a and b, as `nirgan.networks.generators.zhang`.

    The field has logits of the bins, and a gain and an offset that make the lightness of the band.
    """

    temperature = 0.38

    def __init__(self, *options: Any) -> None:
        super().__init__(*options)
        self.points = bins()
        self.last = nn.Conv2d(self.last.in_channels, 2 + len(self.points), 3, padding=1)
        nn.init.zeros_(cast(Tensor, self.last.bias))
        nn.init.normal_(self.last.weight, std=0.01)
        self.logits = self.lightness = torch.empty(0)

    def field(self, view: Tensor) -> Tensor:
        """Gain, offset, and lines over the band of a and b; keeps the logits."""
        hidden = self.last(self.features(view.expand(-1, 3, -1, -1)))
        self.logits = hidden[:, 2:]
        colors = annealed_mean(self.logits, self.points, self.temperature)
        guide = _logit(avg_pool2d(view, self.step))
        slope, intercept = _guided(guide, colors, self.radius, self.epsilon)
        return torch.cat((1 + hidden[:, :1], hidden[:, 1:2], slope, intercept), 1)

    def forward(self, triplet: Tensor) -> Tensor:
        """As that of the base class; keeps the lightness, 0 to 100."""
        band = triplet.mean(1, keepdim=True)
        field = interpolate(self.compute_statistics(band), band.shape[-2:], mode="bilinear")
        logit = _logit(band)
        self.lightness = 50 + 50 * torch.tanh((field[:, :1] * logit + field[:, 1:2]) / 2)
        return lab_to_rgb(torch.cat((self.lightness, field[:, 2:4] * logit + field[:, 4:]), 1))

    def loss(self, rgb: Tensor) -> Tensor:
        """Cross entropy with the true colors' soft code, and L1 of the lightness."""
        lab = rgb_to_lab(rgb * 2 - 1)
        colors = avg_pool2d(lab[:, 1:], self.step)
        code = soft_encoding(colors.permute(0, 2, 3, 1).reshape(-1, 2), self.points)
        entropy = cross_entropy(self.logits.permute(0, 2, 3, 1).flatten(0, 2), code)
        return entropy + (self.lightness - lab[:, :1]).abs().mean() / 10


class MeanOfBins(Bins):
    """`Bins` whose color is the mean of the distribution."""

    temperature = 1.0


class Given(nn.Module):
    """An encoder whose features were found before."""

    features: list[Tensor]

    def forward(self, view: Tensor) -> list[Tensor]:
        """They, whatever the view."""
        return self.features


class ThreeDecoders(SceneUNet):
    """Three decoders on one encoder; in training B x 3 outputs, afterwards their mean field's."""

    def __init__(self, *options: Any) -> None:
        super().__init__(*options)
        self.decoders = nn.ModuleList(SceneUNet("random", *options[1:]) for _ in range(3))
        for decoder in self.decoders:
            decoder.encoder = Given()

    def field(self, view: Tensor) -> Tensor:
        """The decoders' fields, one after the other, or their mean."""
        features = self.encoder(view.expand(-1, 3, -1, -1))
        fields = []
        for decoder in cast(Sequence[SceneUNet], self.decoders):
            decoder.encoder.features = features
            fields.append(decoder.field(view))
        return torch.cat(fields) if self.training else torch.stack(fields).mean(0)

    def forward(self, triplet: Tensor) -> Tensor:
        """As that of the base class; in training 3B x 3 x H x W."""
        return super().forward(triplet.repeat(3, 1, 1, 1) if self.training else triplet)

    def compute_statistics(self, x: Tensor) -> Tensor:
        """As that of the base class, of the first third of what `forward` repeats."""
        return super().compute_statistics(x[: len(x) // 3] if self.training else x)


KINDS = {
    "offsets": SceneUNet,
    "full-size": FullSize,
    "bins": Bins,
    "mean-of-bins": MeanOfBins,
    "three-decoders": ThreeDecoders,
}
"""What the network gives, by the name of the option."""


class LastLayers(nn.Module):
    """The last pictures of a batch, `second` many, have a last layer of their own."""

    def __init__(self, first: nn.Module) -> None:
        super().__init__()
        self.pairs, self.photographs, self.second = first, copy.deepcopy(first), 0

    def forward(self, hidden: Tensor) -> Tensor:
        """As a last layer."""
        of_pairs = len(hidden) - self.second
        return torch.cat((self.pairs(hidden[:of_pairs]), self.photographs(hidden[of_pairs:])))
