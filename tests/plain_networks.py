"""Networks without batch norm, whose two ranks must equal one."""

import torch
from torch import nn


class PlainGenerator(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 3, 3, padding=1), nn.Tanh()
        )

    def forward(self, triplet):
        return self.layers(triplet.to(self.layers[0].weight.dtype))


class PlainDiscriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(4, 8, 3, 2), nn.Tanh(), nn.Conv2d(8, 1, 3, 2))

    def forward(self, rgb, nir):
        both = torch.cat([rgb, nir], 1).to(self.layers[0].weight.dtype)
        return self.layers(both).mean((1, 2, 3))
