"""Noise is steadied, movement is not."""

import torch

from nirgan.evaluation.flicker import flicker, with_noise
from nirgan.inference.steady import NEW, STILL, Steady

BAND = 0.3 + 0.4 * torch.rand(40, 50, generator=torch.Generator().manual_seed(0))


def test_noise_changes_less_from_frame_to_frame():
    frames = with_noise(BAND, sigma=2.0, count=12)
    ratio = flicker(Steady()(frames)[2:]).levels / flicker(frames[2:]).levels
    assert abs(ratio - NEW / (2 - NEW) ** 0.5) < 0.02


def test_what_moves_is_as_it_was():
    frames = torch.stack([BAND, BAND + 2 * STILL, BAND - 2 * STILL])
    assert torch.equal(Steady()(frames), frames)


def test_frames_are_the_same_in_any_batches():
    frames = with_noise(BAND, sigma=2.0, count=7)
    steady = Steady()
    assert torch.equal(torch.cat([steady(frames[:3]), steady(frames[3:])]), Steady()(frames))
