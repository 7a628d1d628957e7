"""Local and global features, fused.

Iizuka, Simo-Serra and Ishikawa, "Let there be color!", SIGGRAPH 2016: six low-level convolutions,
shared by a mid-level branch (two convolutions) and a global one (four convolutions and three dense
layers, on the picture scaled to 224x224); a fusion layer joins the global vector to every position,
a decoder of convolutions and nearest-neighbour upsampling makes color at half the size. In training
the category of the scene is predicted from the 512 features of the global branch
(`nirgan.tasks.scene_classes`). Pictures may have any size. Departures for near-infrared:

- Theirs predicts a and b of CIELAB and copies the lightness. Here the decoder gives a third number,
  which is added to the brightness of NIR: detail comes from NIR, its level is predicted.
- The first layer takes the three copies of the band.
- Trained on patches, the global features see patches, but whole pictures when it is used. Theirs
  are trained on pictures.
- Colors are the output of a tanh instead of a sigmoid, so that grey is 0.
"""

import torch
from torch import Tensor, nn

from nirgan.networks.global_layers import Thumbnail
from nirgan.networks.layers import convolution, resized_like
from nirgan.utils.color_spaces import lab_to_rgb
from nirgan.utils.recording import Recorded

LAB_SPAN = (50.0, 110.0, 110.0)
"""Half the range of L around 50, and of a and b around 0, that [-1, 1] stands for."""


class Iizuka(Recorded, nn.Module):
    """The network.

    Args:
        width: Channels of the first layer; theirs is 64, and all others follow from it.
        size: Height and width that the picture is scaled to for the global features, a multiple of
            32.
    """

    def __init__(self, width: int = 64, size: int = 224) -> None:
        super().__init__()
        if size < 32 or size % 32:
            raise ValueError(f"size is {size}, expected a multiple of 32")
        w, self.known = width, 8 * width
        self.thumbnail = Thumbnail(size)
        self.low = nn.Sequential(
            _layer(3, w, 2),
            _layer(w, 2 * w),
            _layer(2 * w, 2 * w, 2),
            _layer(2 * w, 4 * w),
            _layer(4 * w, 4 * w, 2),
            _layer(4 * w, 8 * w),
        )
        self.mid = nn.Sequential(_layer(8 * w, 8 * w), _layer(8 * w, 4 * w))
        self.wide = nn.Sequential(
            _layer(8 * w, 8 * w, 2),
            _layer(8 * w, 8 * w),
            _layer(8 * w, 8 * w, 2),
            _layer(8 * w, 8 * w),
            nn.Flatten(),
            _dense(8 * w * (size // 32) ** 2, 16 * w),
            _dense(16 * w, 8 * w),
        )
        self.whole = _dense(8 * w, 4 * w)
        self.fusion = nn.Sequential(nn.Conv2d(8 * w, 4 * w, 1), nn.ReLU())
        self.decoder = nn.ModuleList(
            [
                _layer(4 * w, 2 * w),
                nn.Sequential(_layer(2 * w, w), _layer(w, w)),
                nn.Sequential(_layer(w, w // 2), nn.Conv2d(w // 2, 3, 3, padding=1)),
            ]
        )

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to the same."""
        lab, _ = self.features(triplet)
        span = lab.new_tensor(LAB_SPAN).view(3, 1, 1)
        scaled = lab.float() * span
        lightness = (scaled[:, :1] + 50).clamp(0, 100)
        return lab_to_rgb(torch.cat([lightness, scaled[:, 1:]], 1)).to(triplet.dtype)

    def features(self, triplet: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs that are trained, of B x 3 x H x W in [-1, 1].

        They are CIELAB, B x 3 x H x W in units of `LAB_SPAN` around (50, 0, 0), and the features
        of the whole picture, B x `known`.
        """
        levels = [triplet]
        for layer in self.low:
            levels.append(layer(levels[-1]))
        known = self.wide(self.low(self.thumbnail(triplet)))
        hidden = self.fuse(self.mid(levels[-1]), self.whole(known))
        for layer, level in zip(self.decoder, (levels[4], levels[2], triplet), strict=True):
            hidden = resized_like(layer(hidden), level)
        nir = triplet.mean(1, keepdim=True)
        lab = torch.cat([nir + hidden[:, :1], torch.tanh(hidden[:, 1:])], 1)
        return lab, known

    def fuse(self, mid: Tensor, whole: Tensor) -> Tensor:
        """Join the global vector of a picture, B x C, to all of B x C x h x w (section 3.1)."""
        everywhere = whole[:, :, None, None].expand_as(mid)
        fused: Tensor = self.fusion(torch.cat([everywhere, mid], 1))
        return fused


def _layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return convolution(inputs, outputs, 3, stride, slope=0)


def _dense(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU())
