"""Noise is steadied, movement is not."""

import pickle

import pytest
import torch
from flicker import flicker, with_noise
from torch import nn

from nirgan.inference.colorizer import Colorizer
from nirgan.inference.video.temporal_filter import (
    MAX_NOISE_DIFFERENCE,
    NEW_FIELD_WEIGHT,
    NEW_FRAME_WEIGHT,
    TemporalSmoother,
)
from nirgan.networks.global_layers import GlobalLayer

BAND = 0.3 + 0.4 * torch.rand(40, 50, generator=torch.Generator().manual_seed(0))


class Copy(nn.Module):
    def forward(self, triplet):
        return triplet


class Brightness(GlobalLayer):
    """Red is the mean of the whole."""

    by_scene = True

    def compute_statistics(self, x):
        return x.mean((1, 2, 3))[:, None, None]

    def accumulate(self, x, tile):
        return self.compute_statistics(x)

    def forward(self, triplet):
        red = self.statistics(triplet).expand_as(triplet[:, 0])
        return torch.stack([red, triplet[:, 1], triplet[:, 2]], 1)


def steadied(frames):
    return TemporalSmoother(Colorizer(Copy(), device="cpu"))(frames)[:, 0]


def test_noise_changes_less_from_frame_to_frame():
    frames = with_noise(BAND, sigma=2.0, count=12)
    ratio = flicker(steadied(frames)[2:]).levels / flicker(frames[2:]).levels
    assert abs(ratio - NEW_FRAME_WEIGHT / (2 - NEW_FRAME_WEIGHT) ** 0.5) < 0.02


def test_what_moves_is_as_it_was():
    frames = torch.stack([BAND, BAND + 2 * MAX_NOISE_DIFFERENCE, BAND - 2 * MAX_NOISE_DIFFERENCE])
    assert torch.allclose(steadied(frames), frames, atol=1e-6)


@pytest.mark.parametrize("network", [Copy(), Brightness()])
def test_frames_are_the_same_in_any_batches(network):
    frames = with_noise(BAND, sigma=2.0, count=7)
    colorizer = Colorizer(network, device="cpu")
    steady = TemporalSmoother(colorizer)
    assert torch.equal(
        torch.cat([steady(frames[:3]), steady(frames[3:])]), TemporalSmoother(colorizer)(frames)
    )


def test_what_is_known_of_a_scene_follows_slowly_and_begins_anew_with_a_cut():
    network = Brightness()
    colorizer = Colorizer(network, device="cpu")
    levels = torch.tensor([0.4, 0.45, 0.8])
    red = TemporalSmoother(colorizer)(levels.view(3, 1, 1).expand(3, 20, 30))[:, 0, 0, 0]
    second = 0.4 + NEW_FIELD_WEIGHT * NEW_FRAME_WEIGHT * 0.05  # frames so alike are mixed, too
    assert red.tolist() == pytest.approx([0.4, second, 0.8], abs=1e-4)
    assert network.smoother is None
    alone = colorizer.colorize_bands(torch.full((1, 20, 30), 0.1))
    assert alone[0, 0, 0, 0] == pytest.approx(0.1, abs=1e-4)
    pickle.dumps(colorizer.generator)  # as it goes to other processes
