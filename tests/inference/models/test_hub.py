import sys

import pytest
import torch

from nirgan.errors import NirganError
from nirgan.inference.load import fetch, load
from nirgan.inference.models.pretrained import model_card, read_model, write_model
from nirgan.networks.generators.compact import Compact

CONFIG = {
    "name": "tiny",
    "generator": {
        "class_path": "nirgan.networks.generators.compact.Compact",
        "init_args": {"widths": [4, 6]},
    },
}


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(2)
    write_model(tmp_path / "tiny", Compact([4, 6]), CONFIG)
    return tmp_path / "tiny"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """huggingface_hub with a cache of its own, which never asks the network."""
    import huggingface_hub
    from huggingface_hub import constants

    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    original = huggingface_hub.snapshot_download
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda *a, **k: original(*a, **k, cache_dir=cache)
    )
    return cache


def test_what_is_saved_is_loaded_and_saved_again(model, tmp_path):
    colorizer = load(model, device="cpu")
    nir = torch.rand(1, 40, 50)
    colorizer.save_pretrained(tmp_path / "again", card="# Mine\n")
    again = load(tmp_path / "again", device="cpu")
    assert torch.equal(again.colorize_bands(nir), colorizer.colorize_bands(nir))
    assert (tmp_path / "again/README.md").read_text() == "# Mine\n"
    assert again.config == colorizer.config


def test_a_folder_is_taken_without_asking_the_network(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.chdir(model.parent.parent)
    relative = f"{model.parent.name}/{model.name}"  # as a repository may be called
    assert read_model(fetch(relative)).name == "tiny"


@pytest.mark.parametrize("name", ["default", "a/b/c", "a/b.ckpt", "a/b.onnx"])
def test_what_is_no_repository_is_given_back(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    from pathlib import Path

    assert fetch(name) == Path(name)


def test_a_repository_is_had_from_the_hub(model, hub):
    import shutil

    repository, commit = hub / "models--someone--tiny", "0" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(commit)
    shutil.copytree(model, repository / "snapshots" / commit)
    assert load("someone/tiny", device="cpu").digest == read_model(model).digest
    with pytest.raises(NirganError, match="someone/tiny: no such folder"):
        load("someone/tiny", revision="other")


def test_a_repository_out_of_reach_is_named(hub, monkeypatch):
    with pytest.raises(NirganError, match="^someone/nothing: no such folder, and not to be had"):
        fetch("someone/nothing")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(NirganError, match=r"pip install 'nirgan\[hub\]'"):
        fetch("someone/nothing")


def test_the_card_is_what_the_hub_reads(model):
    huggingface_hub = pytest.importorskip("huggingface_hub")
    config = CONFIG | {"measured": {"angular error": "3.5 degrees"}, "training": {"epoch": 3}}
    card = huggingface_hub.ModelCard(model_card(config))
    assert (card.data.license, card.data.library_name) == ("apache-2.0", "nirgan")
    assert card.data.pipeline_tag == "image-to-image"
    assert {"near-infrared", "colorization"} <= set(card.data.tags)
    assert "| angular error | 3.5 degrees |" in card.text
    assert "| epoch | 3 |" in card.text
    assert "Compact" in card.text
    assert model_card(CONFIG) == (model / "README.md").read_text()


def test_a_network_without_a_description_is_not_written(tmp_path):
    with pytest.raises(NirganError, match="derive its class from nirgan.networks.Recorded"):
        write_model(tmp_path / "x", Compact([4, 6]), {"name": "x"})
    assert not list(tmp_path.iterdir())
