import pytest
import torch

from nirgan.networks.generators.baselines import GreyCopy, MeanColor, NirTable


def pictures(levels, colors):
    """A row of pixels: NIR levels 0 to 255, and the color of each, in [-1, 1]."""
    nir = torch.tensor(levels, dtype=torch.float32).view(1, 1, 1, -1) / 127.5 - 1
    rgb = torch.tensor(colors, dtype=torch.float32).T.reshape(1, 3, 1, -1)
    return nir, rgb


def color_of(network, level):
    nir = torch.full((2, 3, 2, 5), level / 127.5 - 1)
    out = network(nir)
    assert out.shape == (2, 3, 2, 5)
    assert torch.equal(out, out[:1, :, :1, :1].expand_as(out))
    return out[0, :, 0, 0].tolist()


def test_the_mean_color_is_that_of_every_pixel_shown():
    network = MeanColor()
    network.update(*pictures([0, 9, 9], [(1, 0, -1), (0, 0, 0), (0, 0, 0)]))
    network.update(*pictures([7], [(1, 1, -1)]))
    assert color_of(network, 77) == pytest.approx([0.5, 0.25, -0.5])


def test_the_table_holds_the_mean_color_of_each_level_and_interpolates_the_rest():
    network = NirTable()
    network.update(*pictures([10, 20, 20], [(0, 0, 0), (1, 0.5, -1), (0, 0.5, 0)]))
    network.update(*pictures([20], [(0.5, 0.5, -0.5)]))
    assert color_of(network, 10) == pytest.approx([0, 0, 0])
    assert color_of(network, 20) == pytest.approx([0.5, 0.5, -0.5])
    assert color_of(network, 14) == pytest.approx([0.2, 0.2, -0.2])
    assert color_of(network, 255) == pytest.approx([0.5, 0.5, -0.5])
    copy = NirTable()
    copy.load_state_dict(network.state_dict())
    assert color_of(copy, 14) == color_of(network, 14)


@pytest.mark.parametrize("network", [GreyCopy(), NirTable()])
def test_before_any_picture_grey_is_as_good_as_it_gets(network):
    assert color_of(network, 51) == pytest.approx([-0.6] * 3)
