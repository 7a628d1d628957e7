"""The contract of every discriminator; a new file in the package is found by itself."""

import pytest
import torch
from contracts import networks_in
from contracts import small as small_one

import nirgan.networks.discriminators as package
from nirgan.errors import NirganError
from nirgan.networks.discriminators.conditional import Conditional

DISCRIMINATORS = list(networks_in(package))


def small(cls):
    return small_one(cls, widths=(4, 8))


def test_the_package_is_walked():
    assert "Conditional" in {p.id for p in DISCRIMINATORS}


@pytest.mark.parametrize("cls", DISCRIMINATORS)
def test_logits_for_a_batch_and_a_gradient_for_every_parameter(cls):
    discriminator = small(cls)
    logits = discriminator(torch.randn(6, 3, 64, 64), torch.randn(6, 1, 64, 64))
    assert logits.shape[0] == 6
    assert logits.isfinite().all()
    (logits * torch.randn_like(logits)).sum().backward()
    without = [n for n, p in discriminator.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@pytest.mark.parametrize("cls", DISCRIMINATORS)
@torch.no_grad()
def test_bfloat16_and_channels_last_agree_with_float32(cls):
    discriminator = small(cls).eval()
    rgb, nir = torch.rand(2, 3, 64, 64), torch.rand(2, 1, 64, 64)
    plain = discriminator(rgb, nir)
    last = discriminator.to(memory_format=torch.channels_last)(rgb, nir)
    assert torch.allclose(plain, last, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(discriminator(rgb, nir).float(), plain, atol=0.02)


def test_the_condition_is_seen_only_where_it_is_asked_for():
    nir = torch.randn(2, 1, 64, 64, requires_grad=True)
    for condition in (True, False):
        discriminator = Conditional(widths=(4,), condition=condition)
        logits = discriminator(torch.randn(2, 3, 64, 64), nir)
        (gradient,) = torch.autograd.grad(logits[0], nir, allow_unused=True)
        assert (gradient is not None) == condition


def test_a_patch_of_another_size_says_which_two_keys_belong_together():
    with pytest.raises(
        NirganError, match="32x32 .* made for 64x64; set discriminator.patch and data.patch"
    ):
        Conditional()(torch.zeros(1, 3, 32, 32), torch.zeros(1, 1, 32, 32))
