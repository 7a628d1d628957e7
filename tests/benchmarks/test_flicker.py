import math

import pytest
import torch
from flicker import flicker, flicker_of_pan, panned, with_noise


def scene(height=48, width=64):
    """A static band from 0.3 to 0.7."""
    return torch.linspace(0.3, 0.7, height * width).reshape(height, width)


def test_by_hand():
    still = torch.rand(3, 3, 4, 5)
    still[1:] = still[0]
    assert flicker(still).levels == flicker(still).degrees == 0
    frames = torch.zeros(3, 3, 1, 2)
    frames[:, 0] = 0.4  # red, but in the second frame half the pixels turn to yellow
    frames[1, 1, 0, 1] = 0.4
    # Two steps of two pixels; one pixel goes 45 degrees there and back, by 102 levels of a channel.
    assert flicker(frames).degrees == pytest.approx(45 / 2, rel=1e-5)
    assert flicker(frames).levels == pytest.approx(102 / 2 / 3, rel=1e-5)


def test_pixels_without_color_have_no_direction():
    frames = torch.zeros(2, 3, 1, 2)
    frames[0, 0], frames[1, 1] = 0.5, torch.tensor([[0.5, 0.0]])
    assert flicker(frames).degrees == pytest.approx(90)
    assert flicker(torch.zeros(2, 3, 1, 2)).degrees == 0


def test_noise_of_a_camera_shows_as_that_much_change():
    """Of two Gaussian draws the mean distance is 2 sigma over the root of pi."""
    band = with_noise(scene(), 3.0, 20)
    assert band.shape == (20, 48, 64)
    assert torch.equal((band * 255).round() / 255, band)
    assert flicker(band).levels == pytest.approx(2 * 3.0 / math.sqrt(math.pi), rel=0.03)
    assert flicker(band).degrees < 1e-4  # it is grey
    assert not torch.equal(band[0], band[1])
    assert torch.equal(with_noise(scene(), 3.0, 2), with_noise(scene(), 3.0, 2))


def test_colors_in_proportion_to_the_band_flicker_no_more_than_it():
    band = with_noise(scene(), 2.0, 10)
    tinted = torch.stack([band, band * 0.8, band * 0.5], 1)
    assert flicker(tinted).levels < flicker(band).levels
    assert flicker(tinted).degrees < 0.01
    hue = torch.stack([band, (band * 20).sin().abs(), band], 1)  # tips over with the noise
    assert flicker(hue).levels > flicker(band).levels
    assert flicker(hue).degrees > 1


def test_what_moves_with_the_scene_does_not_flicker():
    band = torch.rand(20, 50)
    frames = panned(band, 3, 5)
    assert frames.shape == (5, 20, 38)
    colors = frames.unsqueeze(1).expand(-1, 3, -1, -1)
    assert flicker_of_pan(colors, 3).levels == 0
    with_the_frame = colors * torch.linspace(0.5, 1, 38)  # what stays where the frame is
    changed = (with_the_frame[0, ..., 3:] - with_the_frame[1, ..., :-3]).abs().mean() * 255
    assert flicker_of_pan(with_the_frame[:2], 3).levels == pytest.approx(changed.item())
    assert flicker_of_pan(with_the_frame, 3).degrees == pytest.approx(0, abs=1e-3)
