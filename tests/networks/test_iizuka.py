import pytest
import torch

from nirgan.networks.generators.iizuka import Iizuka


def test_at_full_width_the_layers_are_the_published_ones():
    network = Iizuka().eval()
    low = network.low(torch.zeros(1, 3, 224, 224))
    assert [layer[0].out_channels for layer in network.low] == [64, 128, 128, 256, 256, 512]
    assert [layer[0].stride[0] for layer in network.low] == [2, 1, 2, 1, 2, 1]
    assert low.shape == (1, 512, 28, 28)
    assert network.mid(low).shape == (1, 256, 28, 28)
    known = network.wide(low)
    assert known.shape == (1, 512)
    assert network.whole(known).shape == (1, 256)
    dense = [m for m in network.wide.modules() if isinstance(m, torch.nn.Linear)]
    assert [(m.in_features, m.out_features) for m in dense] == [(512 * 7 * 7, 1024), (1024, 512)]
    convolutions = [m for m in network.decoder.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [128, 64, 64, 32, 3]


def test_the_fusion_layer_joins_the_whole_to_every_place():
    network = Iizuka(width=4, size=32)
    mid, whole = torch.randn(2, 16, 3, 5), torch.randn(2, 16)
    fused = network.fuse(mid, whole)
    assert fused.shape == (2, 16, 3, 5)
    weight, bias = network.fusion[0].weight[:, :, 0, 0], network.fusion[0].bias
    place = torch.cat([whole[1], mid[1, :, 2, 4]])
    assert torch.allclose(fused[1, :, 2, 4], (weight @ place + bias).relu(), atol=1e-6)


def test_color_depends_on_the_whole_picture():
    torch.manual_seed(0)
    network = Iizuka(width=4, size=32).eval()
    for weight in (p for p in network.parameters() if p.dim() > 1):
        torch.nn.init.kaiming_normal_(weight)  # the usual ones let little through untrained
    picture = torch.rand(1, 3, 512, 16) * 2 - 1
    changed = picture.clone()
    changed[:, :, :128] = 1.0
    far = (slice(None), slice(None), slice(448, 512))
    assert (network(picture)[far] - network(changed)[far]).abs().max() > 1e-5
    network.whole = torch.nn.Sequential(network.whole, torch.nn.Threshold(1e9, 0.0))
    assert torch.equal(network(picture)[far], network(changed)[far])  # nothing else reaches so far


def test_its_lightness_is_added_to_that_of_nir():
    network = Iizuka(width=4, size=32).eval()
    network.decoder[-1] = torch.nn.Conv2d(4, 3, 1)
    torch.nn.init.zeros_(network.decoder[-1].weight)
    torch.nn.init.constant_(network.decoder[-1].bias, 0.1)
    nir = torch.rand(1, 1, 40, 32) * 2 - 1
    lab, _ = network.features(nir.expand(-1, 3, -1, -1))
    assert torch.allclose(lab[:, :1], nir + 0.1, atol=1e-6)


def test_the_global_features_see_a_fixed_size():
    with pytest.raises(ValueError, match="size is 50, expected a multiple of 32"):
        Iizuka(size=50)
