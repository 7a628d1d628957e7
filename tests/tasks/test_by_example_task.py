import numpy as np
import pytest
import torch
from PIL import Image
from tasks_helpers import data_of, train

from nirgan.errors import NirganError
from nirgan.networks.generators.flat import Flat
from nirgan.networks.generators.welsh import Welsh
from nirgan.tasks.by_example import ByExampleTask


@pytest.fixture
def data(pair_folder):
    return data_of(pair_folder)


def test_every_training_region_is_an_example(data):
    module = ByExampleTask(Welsh())
    train(module, data)
    assert len(module.generator.examples) == len(data.training) >= 6


def test_given_references_take_their_place(data, pair_folder):
    paths = []
    for name, color in (("red", (200, 40, 40)), ("green", (20, 90, 20))):
        paths.append(pair_folder / f"{name}.png")
        Image.fromarray(np.full((50, 70, 3), color, np.uint8)).save(paths[-1])
    given, own = Welsh(), Welsh()
    module = ByExampleTask(given, references=paths)
    train(module, data)
    for color in ((200, 40, 40), (20, 90, 20)):
        rgb = (torch.tensor(color) / 127.5 - 1).view(1, 3, 1, 1).expand(-1, -1, 50, 70)
        brightness = 0.299 * rgb[:, :1] + 0.587 * rgb[:, 1:2] + 0.114 * rgb[:, 2:]
        own.update(brightness, rgb)
    assert torch.allclose(given.examples.pixels, own.examples.pixels, atol=1e-6)
    green = given(torch.full((1, 3, 16, 16), -0.5))[0, :, 8, 8]
    assert green[1] > green[0] + 0.1


def test_a_reference_that_cannot_be_read_is_named(data, pair_folder):
    module = ByExampleTask(Welsh(), references=[pair_folder / "none.png"])
    with pytest.raises(NirganError, match=r"none.png: cannot be read"):
        train(module, data)


def test_no_references_at_all_are_refused():
    with pytest.raises(NirganError, match=r"model.references is empty"):
        ByExampleTask(Welsh(), references=[])


def test_precision_does_not_reach_what_is_kept_or_made(data):
    plain, half = ByExampleTask(Welsh()), ByExampleTask(Welsh())
    train(plain, data)
    train(half, data, precision="bf16-mixed")
    assert torch.equal(half.generator.examples.pixels, plain.generator.examples.pixels)
    triplet = torch.rand(1, 3, 20, 20)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(half(triplet), plain(triplet))


def test_several_processes_are_refused(data, monkeypatch):
    monkeypatch.setattr("lightning.Trainer.world_size", 2)
    with pytest.raises(NirganError, match=r"takes one process: set trainer.devices=1"):
        train(ByExampleTask(Welsh()), data)


def test_a_generator_that_learns_otherwise_is_refused():
    with pytest.raises(
        NirganError, match=r"model.generator: Flat has no 'update', which ByExample"
    ):
        ByExampleTask(Flat([4], [3]))
