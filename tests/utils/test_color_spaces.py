import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from nirgan.utils.color_spaces import lab_to_rgb, opponent_to_rgb, rgb_to_lab, rgb_to_opponent


def colors(seed=0):
    random = torch.Generator().manual_seed(seed)
    picture = torch.rand(2, 3, 9, 11, generator=random) * 2 - 1
    picture[0, :, 0, :3] = torch.tensor([[-1.0, 0.0, 1.0]] * 3)  # black, grey, white
    picture[0, :, 1, 0] = torch.tensor([-0.98, -1.0, -0.97])  # on the straight part of the curves
    return picture


def test_lab_is_the_one_of_a_library():
    picture = colors()
    theirs = rgb2lab(((picture + 1) / 2).double().permute(0, 2, 3, 1).numpy())
    assert np.abs(rgb_to_lab(picture).permute(0, 2, 3, 1).numpy() - theirs).max() < 1e-3


def test_lab_comes_back_and_what_no_screen_shows_is_clipped():
    picture = colors()
    assert torch.allclose(lab_to_rgb(rgb_to_lab(picture)), picture, atol=1e-4)
    loud = torch.tensor([50.0, 120.0, -120.0]).view(1, 3, 1, 1)
    assert lab_to_rgb(loud).abs().max() == 1


@pytest.mark.parametrize("space", ["lab", "colip"])
def test_autocast_changes_nothing(space):
    picture = colors()

    def there_and_back():
        if space == "lab":
            other = rgb_to_lab(picture)
            return other, lab_to_rgb(other)
        other = rgb_to_opponent(picture, space)
        return other, opponent_to_rgb(other, space)

    plain = there_and_back()
    with torch.autocast("cpu", torch.bfloat16):
        for found, expected in zip(there_and_back(), plain, strict=True):
            assert torch.equal(found, expected)


def test_lab_has_gradients_at_black_and_white():
    picture = torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2).repeat(1, 3, 1, 1).requires_grad_()
    lab_to_rgb(rgb_to_lab(picture)).sum().backward()
    assert picture.grad.isfinite().all()


@pytest.mark.parametrize("space", ["lalphabeta", "colip"])
def test_an_opponent_space_comes_back_and_has_no_color_for_grey(space):
    picture = colors().clamp(min=-0.6)  # above the floor
    opponent = rgb_to_opponent(picture, space)
    assert torch.allclose(opponent_to_rgb(opponent, space), picture, atol=1e-4)
    grey = rgb_to_opponent(picture[:, :1].expand(-1, 3, -1, -1), space)
    assert grey[:, 1:].abs().max() < 1e-4
    assert rgb_to_opponent(torch.ones(1, 3, 1, 1), space).abs().max() < 1e-4


def test_the_opponent_spaces_by_hand():
    linear = np.array([0.5, 0.2, 0.1])  # red, green, blue
    encoded = 1.055 * linear ** (1 / 2.4) - 0.055
    picture = torch.tensor(encoded * 2 - 1, dtype=torch.float64).view(1, 3, 1, 1)

    long, medium, short = np.log(
        [
            (0.3811 * 0.5 + 0.5783 * 0.2 + 0.0402 * 0.1) / 0.9996,
            (0.1967 * 0.5 + 0.7244 * 0.2 + 0.0782 * 0.1) / 0.9993,
            (0.0241 * 0.5 + 0.1288 * 0.2 + 0.8444 * 0.1) / 0.9973,
        ]
    )
    ruderman = [
        (long + medium + short) / 3**0.5,
        (long + medium - 2 * short) / 6**0.5,
        (long - medium) / 2**0.5,
    ]
    found = rgb_to_opponent(picture, "lalphabeta").flatten().tolist()
    assert found == pytest.approx(ruderman, abs=1e-6)

    x, y, z = 0.412453 * 0.5 + 0.357580 * 0.2 + 0.180423 * 0.1, 0.212671 * 0.5, 0.019334 * 0.5
    y, z = y + 0.715160 * 0.2 + 0.072169 * 0.1, z + 0.119193 * 0.2 + 0.950227 * 0.1
    long = np.log(0.4002 * x + 0.7076 * y - 0.0808 * z)
    medium = np.log(-0.2263 * x + 1.1653 * y + 0.0457 * z)
    short = np.log(0.9182 * z)
    antagonist = [
        (40 * long + 20 * medium + short) / 61,
        long - 12 / 11 * medium + short / 11,
        (long + medium - 2 * short) / 9,
    ]
    found = rgb_to_opponent(picture, "colip").flatten().tolist()
    assert found == pytest.approx(antagonist, abs=1e-3)  # there, white is (1, 1, 1) to all digits
