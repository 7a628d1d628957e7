"""Against a hand computation, and what sets it apart from batch norm."""

import pytest
import torch
from torch import nn

from nirgan.networks.discriminators.conditional import Conditional
from nirgan.networks.generators.triplet import Triplet
from nirgan.networks.virtual_batch_norm import VirtualBatchNormalized


def one_layer():
    return VirtualBatchNormalized(nn.Sequential(nn.BatchNorm2d(1, eps=0.0)))


def column(*values):
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1)


def test_an_example_is_normalized_by_the_reference_batch_and_itself():
    network = one_layer()
    network(column(1.0, 3.0))  # the reference: mean 2, mean of squares 5, two examples
    # With x = 5: mean (1 + 3 + 5) / 3 = 3, mean of squares (1 + 9 + 25) / 3 = 35 / 3.
    assert network(column(5.0)).item() == pytest.approx((5 - 3) / (35 / 3 - 9) ** 0.5)
    picture = torch.tensor([[4.0, 8.0]]).view(1, 1, 1, 2)  # mean 6, mean of squares 40
    mean, square = (2 * 2 + 6) / 3, (2 * 5 + 40) / 3
    expected = [(x - mean) / (square - mean**2) ** 0.5 for x in (4, 8)]
    assert network(picture).flatten().tolist() == pytest.approx(expected)


def test_the_reference_batch_is_normalized_by_its_own_statistics():
    network = one_layer()
    network(column(1.0, 3.0))
    layer = network.network[0]
    layer.reference = None
    assert layer(column(1.0, 3.0)).flatten().tolist() == pytest.approx([-1, 1])


def generator():
    torch.manual_seed(0)
    return VirtualBatchNormalized(Triplet((4, 4), (3, 3), 3, std=0.3))


def test_one_output_does_not_depend_on_the_rest_of_its_batch():
    network = generator()
    network(torch.randn(4, 3, 16, 16))
    batch = torch.randn(3, 3, 12, 20)
    together = network(batch)
    alone = torch.cat([network(one[None]) for one in batch])
    assert torch.allclose(together, alone, atol=1e-6)


def test_the_reference_is_the_first_training_batch_and_lies_in_the_checkpoint():
    network = generator()
    network.eval()(torch.randn(2, 3, 16, 16))
    assert "reference_0" not in network.state_dict()
    first = torch.randn(4, 3, 16, 16)
    network.train()(first)
    network(torch.randn(4, 3, 16, 16))
    state = network.state_dict()
    assert torch.equal(state["reference_0"], first)
    other = generator()
    other.load_state_dict(state)
    shown = torch.randn(1, 3, 10, 10)
    assert torch.equal(other.eval()(shown), network.eval()(shown))


def test_gradients_flow_through_the_reference_too():
    network = VirtualBatchNormalized(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)))
    nn.init.ones_(network.network[0].weight)  # with a small one differences are rounding
    network(torch.randn(4, 1, 4, 4))
    network(torch.randn(1, 1, 4, 4)).square().sum().backward()
    x = torch.randn(2, 1, 4, 4)

    def loss():
        return network(x).pow(3).sum()

    network.zero_grad()
    loss().backward()
    convolution = network.network[0]
    with torch.no_grad():
        step = 1e-2
        convolution.weight += step
        up = loss()
        convolution.weight -= 2 * step
        down = loss()
    slope = ((up - down) / (2 * step)).item()
    assert convolution.weight.grad.item() == pytest.approx(slope, rel=0.02, abs=1e-2)


def test_a_discriminator_of_two_inputs():
    network = VirtualBatchNormalized(Conditional((4, 4), patch=16))
    real, nir = torch.randn(4, 3, 16, 16), torch.randn(4, 1, 16, 16)
    network(real, nir)
    assert network(real[:1], nir[:1]).shape == (1,)
    assert torch.equal(network.state_dict()["reference_1"], nir)


def test_a_network_without_batch_norm_says_so():
    with pytest.raises(ValueError, match="Sequential has no batch norm to replace"):
        VirtualBatchNormalized(nn.Sequential(nn.Conv2d(1, 1, 1)))
