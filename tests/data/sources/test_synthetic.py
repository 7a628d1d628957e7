import numpy as np
import pytest
import torch

from nirgan.data.sources import synthetic
from nirgan.data.sources.synthetic import Synthetic
from nirgan.data.sources.synthetic.materials import MATERIALS
from nirgan.errors import NirganError
from nirgan.metrics.functional import angular_error


@pytest.fixture(scope="module")
def scenes():
    return [(pair.category, *pair.load()) for pair in Synthetic(count=40).pairs()]


def test_a_scene_comes_from_seed_category_and_number_alone():
    pairs = Synthetic(count=10, seed=4).pairs()
    again = Synthetic(count=5, seed=4).pairs()
    for a, b in zip(pairs[3].load(), again[3].load(), strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(pairs[0].load()[0], pairs[5].load()[0])
    assert not np.array_equal(pairs[0].load()[0], Synthetic(count=1).pairs()[0].load()[0])


def test_the_content_follows_what_is_drawn(monkeypatch):
    pair = Synthetic(count=1).pairs()[0]
    others = [
        Synthetic(count=1, seed=1).pairs()[0],
        Synthetic(count=1, size=(64, 80)).pairs()[0],
        Synthetic(count=2, categories=["street"]).pairs()[1],
    ]
    before = pair.content()
    assert before == Synthetic(count=3).pairs()[0].content()
    assert before not in {other.content() for other in others}
    monkeypatch.setattr(synthetic, "_code", lambda: "another renderer")
    assert pair.content() != before


def test_materials_follow_physics():
    for name in ("leaves", "conifer", "ivy", "grass"):
        material = MATERIALS[name]
        assert material.nir > 4 * material.red  # the red edge
        assert material.green > max(material.red, material.blue)
    for name in ("asphalt", "slate", "glass"):
        assert MATERIALS[name].nir < 0.15
    paints = [MATERIALS[f"{color} paint"].nir for color in ("red", "blue", "white")]
    assert min(paints) > 0.5  # pigments let NIR through, whatever their color


def test_scenes_look_as_cameras_see_them(scenes):
    def mean(pictures):
        return np.mean([picture.mean((0, 1)) for picture in pictures], axis=0)

    # The upper rows are mostly sky: blue in color, darker in NIR; the lawn is the other way round.
    skies = [(nir[:40], rgb[:40]) for kind, nir, rgb in scenes if kind == "garden"]
    lawns = [(nir[170:], rgb[170:]) for kind, nir, rgb in scenes if kind == "garden"]
    red, green, blue = mean([rgb for _, rgb in skies])
    assert blue > green > red
    assert mean([nir for nir, _ in skies]) < blue - 40
    red, green, blue = mean([rgb for _, rgb in lawns])
    assert green > red > blue
    assert mean([nir for nir, _ in lawns]) > green + 40
    lakes = [nir[190:220] for kind, nir, _ in scenes if kind == "water"]
    assert mean(lakes) < mean([nir for nir, _ in lawns]) - 40


def test_color_is_neither_given_by_nir_nor_out_of_reach(scenes):
    nir = torch.from_numpy(np.stack([n for _, n, _ in scenes])).unsqueeze(1) / 255
    rgb = torch.from_numpy(np.stack([c for _, _, c in scenes])).permute(0, 3, 1, 2) / 255
    grey = angular_error(nir.expand_as(rgb), rgb)[0].mean().item()
    assert 6 < grey < 12
    levels = (nir[:, 0] * 255).long()
    table = torch.stack([rgb[:, c].flatten() for c in range(3)], 1)
    sums = torch.zeros(256, 3).index_add_(0, levels.flatten(), table)
    counts = torch.bincount(levels.flatten(), minlength=256).clamp(min=1)[:, None]
    by_level = (sums / counts)[levels].permute(0, 3, 1, 2)
    assert angular_error(by_level, rgb)[0].mean().item() > 3  # intensity alone does not tell


def test_mistakes_are_named():
    with pytest.raises(NirganError, match="no category 'gardn'; did you mean 'garden'"):
        Synthetic(categories=["gardn"])
    with pytest.raises(NirganError, match=r"source.size is \(64, 63\); scenes need 64"):
        Synthetic(size=(64, 63))


def test_no_categories_are_no_pairs():
    assert Synthetic(categories=[]).pairs() == []
