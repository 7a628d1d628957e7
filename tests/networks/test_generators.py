"""The contract of every generator; a new file in the package is found by itself."""

from inspect import Parameter, signature

import pytest
import torch
from contracts import networks_in
from contracts import small as small_one

import nirgan.networks.generators as package
from nirgan.networks import efficientnet_lite
from nirgan.networks.efficientnet_lite import STAGES
from nirgan.utils.recording import Recorded

GENERATORS = list(networks_in(package, parts={"Branch"}))
FITTED = list(networks_in(package, fitted=True))


def small(cls):
    sizes = {"widths": (4, 6), "kernels": (5, 3), "last_kernel": 3, "width": 4, "depth": 3}
    return small_one(cls, **sizes, blocks=1, levels=2, joined=4, normalization=3, radius=1)


def test_the_package_is_walked():
    assert {p.id for p in GENERATORS} >= {"Triplet", "Flat"}
    assert {p.id for p in FITTED} >= {"GreyCopy", "Welsh", "Irony"}


@pytest.mark.parametrize("cls", GENERATORS + FITTED)
@pytest.mark.parametrize("size", [(48, 80), (37, 53)])
@torch.no_grad()
def test_any_size_gives_colors_in_range(cls, size):
    generator = small(cls).eval()
    if hasattr(generator, "update"):
        generator.update(torch.rand(2, 1, 40, 56) * 2 - 1, torch.rand(2, 3, 40, 56) * 2 - 1)
    out = generator(torch.randn(2, 3, *size))
    assert out.shape == (2, 3, *size)
    assert out.isfinite().all()
    for weights in generator.parameters():
        weights.mul_(10)  # a new network's outputs are small
    assert (generator(torch.randn(2, 3, *size)).abs() <= 1).all()


@pytest.mark.parametrize("cls", GENERATORS + FITTED)
def test_a_checkpoint_can_say_how_it_is_built(cls):
    assert issubclass(cls, Recorded)
    arguments = signature(cls).parameters.values() if "__init__" in vars(cls) else ()
    for argument in arguments:
        assert Parameter.empty not in (argument.annotation, argument.default), argument


@pytest.mark.parametrize("cls", GENERATORS)
def test_every_parameter_gets_a_gradient(cls):
    generator = small(cls)
    # A weighted sum: after batch norm the plain one is constant.
    out = generator(torch.randn(4, 3, 16, 16))
    (out * torch.randn_like(out)).sum().backward()
    without = [n for n, p in generator.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []
    assert all(p.grad.isfinite().all() for p in generator.parameters())


@pytest.mark.parametrize("cls", GENERATORS)
@torch.no_grad()
def test_bfloat16_and_channels_last_agree_with_float32(cls):
    generator = small(cls).eval()
    nir = torch.randn(2, 3, 32, 32).clamp(-1, 1)
    plain = generator(nir)
    last = generator.to(memory_format=torch.channels_last)(nir)
    assert torch.allclose(plain, last, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        half = generator(nir)
    assert (half.float() - plain).abs().max() < 0.05


@pytest.mark.parametrize("cls", [p for p in GENERATORS if p.id != "Compact"])
@torch.no_grad()
def test_export_and_onnx_give_the_same(cls, tmp_path, monkeypatch):
    """Compact's are those of inference/export's tests."""
    onnxruntime = pytest.importorskip("onnxruntime")
    # Half of the encoder's blocks, which are alike and take a second each.
    short = [(*stage[:2], min(stage[2], 1 + (stage[1] == 40)), *stage[3:]) for stage in STAGES]
    monkeypatch.setattr(efficientnet_lite, "STAGES", short)
    generator = small(cls).eval()
    nir = torch.randn(2, 3, 40, 56)
    plain = generator(nir)
    # Every size that is free costs a quarter more time; a batch's is in inference/export's tests.
    dims = {2: torch.export.Dim("height", min=17), 3: torch.export.Dim("width", min=17)}
    exported = torch.export.export(generator, (torch.randn(2, 3, 32, 32),), dynamic_shapes=(dims,))
    assert torch.allclose(exported.module()(nir), plain, atol=1e-5)
    program = torch.onnx.export(exported, optimize=False, verbose=False)
    program.save(tmp_path / "generator.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "generator.onnx")
    (out,) = session.run(None, {session.get_inputs()[0].name: nir.numpy()})
    assert torch.allclose(torch.from_numpy(out), plain, atol=1e-5)


@pytest.mark.parametrize("cls", GENERATORS)
@torch.no_grad()
def test_compiling_gives_the_same_under_the_same_names(cls):
    generator = small(cls).eval()
    nir = torch.randn(2, 3, 40, 56)
    plain = generator(nir)
    generator.compile(backend="eager")
    assert torch.allclose(generator(nir), plain, atol=1e-5)
    assert not any(key.startswith("_orig_mod") for key in generator.state_dict())
