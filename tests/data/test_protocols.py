from dataclasses import dataclass

import numpy as np
import pytest

from nirgan.data.patches import PatchTable
from nirgan.data.protocols import across_scenes, within_images
from nirgan.data.sources.base import Pair
from nirgan.errors import NirganError


@dataclass(frozen=True)
class Named(Pair):
    def load(self):
        raise AssertionError("a protocol decodes nothing")

    def content(self):
        return self.name


def pairs(scenes, folds=None):
    folds = folds or [None] * len(scenes)
    return [
        Named("urban", str(i), scene, fold)
        for i, (scene, fold) in enumerate(zip(scenes, folds, strict=True))
    ]


@pytest.mark.parametrize("width", [128, 200, 1024])
def test_no_training_patch_touches_a_validation_patch_of_its_image(width):
    sizes = [(70 + i, width) for i in range(20)]
    training, validation = within_images(pairs(range(20)), sizes, 64, seed=1)
    touched = [np.zeros(size, int) for size in sizes]
    for bit, regions in ((1, training), (2, validation)):
        draw = PatchTable(regions, ["a"] * 20, 64).draw(0, np.arange(4000))
        assert set(draw.pair) == set(range(20))
        for pair, top, left in zip(draw.pair, draw.top, draw.left, strict=True):
            touched[pair][top : top + 64, left : left + 64] |= bit
    assert all((image < 3).all() for image in touched)


def test_the_band_lies_elsewhere_in_each_image_and_with_another_seed():
    sizes = [(680, 1024)] * 50
    some = pairs(range(50))
    _, strips = within_images(some, sizes, 64, seed=0)
    assert len({strip.left for strip in strips}) > 30
    assert {strip.shape[1] for strip in strips} == {205}
    assert within_images(some, sizes, 64, seed=1)[1] != strips


def test_a_pair_is_split_alike_whatever_others_there_are():
    """What was trained with more categories, or with a file less, is judged on unseen pixels."""
    some, sizes = pairs([f"scene{i}" for i in range(30)]), [(680, 1024)] * 30
    others = [Named("water", str(i), f"lake{i}") for i in range(30)]
    strips = [strip.left for strip in within_images(some, sizes, 64, 0)[1]]
    more = within_images([*others, *some], sizes * 2, 64, 0)[1]
    assert [strip.left for strip in more[30:]] == strips
    less = within_images(some[3:], sizes[3:], 64, 0)[1]
    assert [strip.left for strip in less] == strips[3:]
    kept = {r.pair for r in across_scenes(some, sizes, 2, 0)[1]}
    assert {r.pair - 30 for r in across_scenes([*others, *some], sizes * 2, 2, 0)[1]} >= kept


def test_published_folds_are_kept():
    some = pairs("abcdef", [0, 1, 2, 3, 4, 0])
    training, validation = across_scenes(some, [(64, 64)] * 6, 0, seed=0)
    assert [r.pair for r in validation] == [0, 5]
    assert [r.pair for r in training] == [1, 2, 3, 4]


def test_scenes_without_folds_are_dealt_once_each_over_the_five():
    some = pairs([f"scene{i // 2}" for i in range(40)])
    judged = []
    for fold in range(5):
        training, validation = across_scenes(some, [(64, 64)] * 40, fold, seed=7)
        kept = {some[r.pair].scene for r in validation}
        assert kept.isdisjoint(some[r.pair].scene for r in training)
        assert len(kept) == 4
        judged += [r.pair for r in validation]
    assert sorted(judged) == list(range(40))


def test_a_scene_in_two_folds_is_a_leak_and_named():
    with pytest.raises(NirganError, match="scene b is in the training and in the validation set"):
        across_scenes(pairs("abb", [0, 0, 1]), [(64, 64)] * 3, 0, 0)


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ([0, 1], "fold 4 of 5 leaves no validation pairs"),
        ([4, 5], "urban/1: its fold is 5, expected 0 to 4"),
    ],
)
def test_an_empty_set_and_a_sixth_fold_are_refused(folds, message):
    with pytest.raises(NirganError, match=message):
        across_scenes(pairs("ab", folds), [(64, 64)] * 2, 4, 0)
