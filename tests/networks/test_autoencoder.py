import pytest
import torch

from nirgan.networks.generators.autoencoder import AutoEncoder


def test_everything_passes_the_bottleneck():
    network = AutoEncoder((4, 8)).eval()
    shown = []
    network.encoder[-1].register_forward_hook(lambda *args: shown.append(args[2].shape))
    with torch.no_grad():
        network.decoder[0][0].weight.zero_()
        out = network(torch.randn(1, 3, 40, 56))
    assert shown == [(1, 8, 10, 14)]
    assert torch.allclose(out[..., 8:-8, 8:-8], out[..., 20:21, 20:21])  # no way around it


def test_no_layers_are_refused():
    with pytest.raises(ValueError, match="widths is empty"):
        AutoEncoder(())
