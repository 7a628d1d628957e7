import warnings
from dataclasses import dataclass
from types import SimpleNamespace

import albumentations as A
import numpy as np
import pytest
import torch
from lightning.pytorch.plugins import DoublePrecision
from lightning.pytorch.trainer.states import TrainerFn

from nirgan.data import datamodule
from nirgan.data.batches import Noise
from nirgan.data.datamodule import PatchDataModule
from nirgan.data.protocols import strip_patch
from nirgan.data.sources.base import Pair, PairSource
from nirgan.errors import NirganError


@dataclass(frozen=True)
class Made(Pair):
    shape: tuple[int, int] = (96, 160)
    dtype: str = "uint8"

    def load(self):
        rng = np.random.default_rng(int(self.id))
        rgb = rng.integers(0, 256, (*self.shape, 3))
        if self.dtype == "float32":
            return (rgb[..., 0] / 255).astype(np.float32), (rgb / 255).astype(np.float32)
        scale = 257 if self.dtype == "uint16" else 1
        return (rgb[..., 0] * scale).astype(self.dtype), (rgb * scale).astype(self.dtype)

    def content(self):
        return f"made-{self.id}-{self.shape}-{self.dtype}"


class MadeSource(PairSource):
    def __init__(self, dtypes=("uint8",) * 6, more=(), published=True):
        self.dtypes, self.more, self.published = dtypes, more, published

    def pairs(self):
        folds = [i % 5 if self.published else None for i in range(len(self.dtypes))]
        made = [
            Made("urban" if i % 2 else "water", str(i), str(i), fold, dtype=dtype)
            for i, (dtype, fold) in enumerate(zip(self.dtypes, folds, strict=True))
        ]
        return made + [
            Made("urban", str(i), str(i), 0, shape) for i, shape in enumerate(self.more, 7)
        ]


def module(source=None, **kwargs):
    options = {"train_patches": 64, "val_patches": 10, "batch_size": 8, "seed": 3} | kwargs
    data = PatchDataModule(source or MadeSource(), **options)
    data.prepare_data()
    data.setup()
    return data


def batches(data, loader="train_dataloader", epoch=0):
    loader = getattr(data, loader)()
    loader.sampler.set_epoch(epoch)
    return list(loader)


def test_patches_are_the_same_for_any_number_of_workers_and_new_each_epoch():
    flips = [A.HorizontalFlip(p=0.5)]
    alone = batches(module(geometry=flips))
    helped = batches(module(geometry=flips, num_workers=2))
    assert all(torch.equal(a["pixels"], b["pixels"]) for a, b in zip(alone, helped, strict=True))
    everything = [torch.cat([b["pixels"] for b in batches(module(), epoch=e)]) for e in (0, 1, 0)]
    assert torch.equal(everything[0], everything[2])
    assert not torch.equal(everything[0], everything[1])
    assert len({patch.numpy().tobytes() for patch in everything[0]}) > 120


def test_patches_are_counted_a_category():
    assert len(batches(module())) == 2 * 64 // 8
    assert sum(len(b["pixels"]) for b in batches(module(), "val_dataloader")) == 20


def test_a_patch_is_cut_from_the_pictures_and_knows_its_category():
    data = module()
    assert data.categories == ["urban", "water"]
    stored = batches(data)[0]
    categories = data.on_after_batch_transfer(stored, 0)["category"]
    draw = data._table(data.training).draw(3, range(8))
    for pixels, category, pair, top, left in zip(
        stored["pixels"], categories, draw.pair, draw.top, draw.left, strict=True
    ):
        assert data.categories[category] == data.pairs[pair].category
        nir, rgb = data.pairs[pair].load()
        assert np.array_equal(pixels[..., :3], rgb[top : top + 64, left : left + 64])
        assert np.array_equal(pixels[..., 3], nir[top : top + 64, left : left + 64])


def test_values_are_normalized_and_each_copy_has_noise_of_its_own():
    data = module(noise=Noise(0.1, 0.2, 0.4), batch_size=64)
    stored = batches(data)[0]
    batch = data.on_after_batch_transfer(stored, 0)
    rgb = stored["pixels"].permute(0, 3, 1, 2)[:, :3] / 127.5 - 1
    assert torch.allclose(batch["rgb"], rgb, atol=1e-6)
    noise = batch["triplet"] - batch["nir"]
    assert noise.std((0, 2, 3)).tolist() == pytest.approx([0.1, 0.2, 0.4], rel=0.02)
    correlation = torch.corrcoef(noise.transpose(0, 1).flatten(1))
    assert correlation.fill_diagonal_(0).abs().max() < 0.01


def test_noise_comes_from_seed_and_batch_number():
    data, reseeded = (module(noise=Noise(0.1, 0.1, 0.1), seed=seed) for seed in (0, 4))
    (first, second), again = batches(data)[:2], batches(data)[0]
    data.trainer = reseeded.trainer = SimpleNamespace(training=True, precision="32-true")
    again = data.on_after_batch_transfer(again, 0)["triplet"]
    assert torch.equal(data.on_after_batch_transfer(first, 0)["triplet"], again)
    other = data.on_after_batch_transfer(first | {"number": second["number"]}, 0)["triplet"]
    assert not torch.equal(again, other)
    assert not torch.equal(reseeded.on_after_batch_transfer(first, 0)["triplet"], again)


def test_in_double_precision_batches_are_double():
    data = module()
    stored = batches(data)[0]
    data.trainer = SimpleNamespace(
        training=True, precision="64-true", precision_plugin=DoublePrecision()
    )
    batch = data.on_after_batch_transfer(stored, 0)
    assert {batch[name].dtype for name in ("nir", "triplet", "rgb")} == {torch.float64}


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_every_depth_gives_the_same_values(dtype):
    def values(dtypes):
        data = module(MadeSource(dtypes))
        return data.on_after_batch_transfer(batches(data)[0], 0)["rgb"]

    assert torch.allclose(values((dtype,) * 6), values(("uint8",) * 6), atol=1e-6)
    assert torch.allclose(values(("uint8", dtype) * 3), values(("uint8",) * 6), atol=1e-6)


def test_whole_regions_hold_every_validation_pixel_once():
    data = module()
    shapes = [tuple(b["pixels"].shape) for b in batches(data, "test_dataloader")]
    assert shapes == [(1, 96, 64, 4)] * 6
    whole = batches(data, "predict_dataloader")
    assert [b["names"] for b in whole] == [[p.name] for p in data.pairs]
    assert all(b["pixels"].shape == (1, 96, 160, 4) for b in whole)


def test_what_is_shown_is_what_is_judged():
    data = module(protocol="across-scenes", fold=1, patch=32)
    judged = next(iter(data.val_dataloader()))
    ready = data.on_after_batch_transfer(judged, 0)
    numbers = range(judged["number"], judged["number"] + len(ready["rgb"]))
    assert torch.equal(data.validation_batch(numbers)["triplet"], ready["triplet"])
    for number, stored in enumerate(data.predict_dataloader()):
        batch = data.region_batch(data.whole_pictures()[number], number)
        whole = data.on_after_batch_transfer(stored, 0)
        assert batch["names"] == whole["names"]
        assert torch.equal(batch["triplet"], whole["triplet"])  # noise too


def test_training_regions_hold_every_training_pixel_once():
    data = module(protocol="across-scenes", fold=1)
    shown = np.concatenate([b["pixels"].reshape(-1, 4) for b in data.training_regions()])
    rgb = np.concatenate([p.load()[1].reshape(-1, 3) for p in data.pairs if p.fold != 1])
    assert np.array_equal(shown[:, :3], rgb)


def test_the_seed_moves_training_and_the_split_seed_what_is_judged():
    def judged(data):
        ready = [data.on_after_batch_transfer(b, 0) for b in batches(data, "val_dataloader")]
        return data.validation, torch.cat([batch["triplet"] for batch in ready])  # with its noise

    plain, reseeded, resplit = (module(patch=32, **o) for o in ({}, {"seed": 4}, {"split_seed": 4}))
    assert not torch.equal(batches(plain)[0]["pixels"], batches(reseeded)[0]["pixels"])
    assert judged(plain)[0] == judged(reseeded)[0]
    assert torch.equal(judged(plain)[1], judged(reseeded)[1])
    assert judged(plain)[0] != judged(resplit)[0]


def test_bad_pairs_stop_or_are_skipped_by_name(recwarn):
    source = MadeSource(more=[(32, 32)])
    with pytest.raises(NirganError, match=r"1 of 7 pairs cannot be used.*\n.*urban/7: 32x32"):
        module(source)
    assert len(module(source, on_bad_pair="skip").pairs) == 6
    assert any("urban/7" in str(w.message) for w in recwarn)


def test_of_many_bad_pairs_some_are_named(monkeypatch):
    monkeypatch.setattr(datamodule, "MAX_NAMED_PROBLEMS", 2)
    said = r"3 of 9 .*\n.*urban/7: .*\n.*urban/8: .*\n  and 1 more; `nirgan check` names them all$"
    with pytest.raises(NirganError, match=said):
        module(MadeSource(more=[(32, 32)] * 3))


def test_an_epoch_smaller_than_a_batch_says_what_to_change():
    with pytest.raises(NirganError, match=r"data.train_patches=3.*data.batch_size=8"):
        module(MadeSource(("uint8",)), train_patches=3).train_dataloader()


def test_more_processes_than_batches_or_pictures_say_what_to_change(monkeypatch):
    data = module(val_patches=4, batch_size=4)
    data.setup()
    count = len(data.validation)
    monkeypatch.setattr(data, "_rank", lambda: (count, count + 1))
    with pytest.raises(NirganError, match=r"8 validation patches are no batch of .*=4 for each"):
        data.val_dataloader()
    for loader in (data.test_dataloader, data.predict_dataloader):
        with pytest.raises(NirganError, match=f"{count} pictures are fewer than the {count + 1}"):
            loader()
    monkeypatch.setattr(data, "_rank", lambda: (count - 1, count))
    assert len(data.test_dataloader()) == len(data.predict_dataloader()) == 1


def test_networks_of_larger_patches_are_judged_on_the_same_strips():
    shapes = [(140, 700), (140, 800), (140, 640), (130, 300), (150, 660)]
    small, large = (
        module(MadeSource((), more=shapes), patch=patch, val_patches=40) for patch in (64, 128)
    )
    assert large.validation == small.validation
    assert large.state_dict()["split"] == small.state_dict()["split"]
    trained, judged = batches(large), batches(large, "val_dataloader")
    assert {batch["pixels"].shape[1:] for batch in trained + judged} == {(128, 128, 4)}
    narrow = module(MadeSource(more=[(140, 300)] * 3), patch=64, val_patches=40)
    assert {region.shape[1] for region in narrow.validation} == {64}
    some = Made("water", "1", "1", 0, (140, 300)), Made("urban", "2", "2", 0, (140, 700))
    assert strip_patch(some, [(140, 300), (140, 700)], 128) == 128  # water would have no strip
    assert strip_patch(some[1:], [(140, 700)], 128) == 64


def test_a_picture_too_narrow_for_one_protocol_is_named_and_serves_the_other():
    source = MadeSource(more=[(96, 100)])
    with pytest.raises(NirganError, match="urban/7: 100x96 pixels, but 128x64 are needed"):
        module(source)
    assert len(module(source, protocol="across-scenes").pairs) == 7


def test_a_region_may_be_cut_by_the_geometry():
    resize = A.Resize(32, 32)
    data = module(geometry=[resize], crop="region", patch=32, protocol="across-scenes")
    shrunk = {resize(image=np.array(image))["image"].tobytes() for image in data.images}
    assert {patch.numpy().tobytes() for patch in batches(data)[0]["pixels"]} < shrunk
    uncut = module(crop="region", patch=32, protocol="across-scenes")
    with pytest.raises(NirganError, match="expected 32x32"):
        batches(uncut)


def test_a_fold_may_be_left_for_later():
    options = {"protocol": "across-scenes", "fold": 1}
    every, fewer = module(**options), module(unused_folds=[0, 3], **options)
    assert fewer.validation == every.validation
    numbers = {region.pair for region in every.training} - {r.pair for r in fewer.training}
    assert numbers == {0, 3, 5}
    with pytest.raises(NirganError, match="unused_folds has fold 1"):
        module(unused_folds=[1], **options)


FOLD_4, FOLD_0 = ({"protocol": "across-scenes", "fold": fold} for fold in (4, 0))
KEPT = FOLD_4 | {"unused_folds": [0]}


@pytest.mark.parametrize(
    ("fitted", "judged", "told"),
    [
        ([(12, FOLD_0)], (12, FOLD_0), ""),
        ([(12, FOLD_0)], (13, FOLD_0), "of other pictures"),  # scenes are dealt anew
        ([(6, KEPT)], (6, FOLD_0), ""),
        ([(6, KEPT), (6, FOLD_4), (6, KEPT)], (6, FOLD_0), "data.fold 0 for 4"),
        ([(6, {})], (5, {}), ""),
        ([(6, {})], (6, {"split_seed": 1}), "data.split_seed 1 for 0"),
        ([(6, {})], (6, FOLD_0), "data.fold 0 for None"),
    ],
)
def test_what_a_checkpoint_was_trained_on_is_not_judged_without_a_word(fitted, judged, told):
    def built(count, options):
        return module(MadeSource(("uint8",) * count, published=count == 6), **options)

    state = {}
    for one in fitted:
        data = built(*one)
        data.trainer = SimpleNamespace(state=SimpleNamespace(fn=TrainerFn.FITTING))
        if state:
            data.load_state_dict(state)
        state = data.state_dict()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        built(*judged).load_state_dict(state)
    said = [str(w.message) for w in caught if "another split" in str(w.message)]
    assert len(said) == bool(told)
    assert told in "".join(said)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((key, "within_images") for key in ("protocol", "crop", "on_bad_pair")),
        ("noise", Noise(0.1, float("nan"), 0.1)),
    ],
)
def test_a_value_that_is_none_of_those_is_refused_in_python_too(key, value):
    said = rf"data.{key}\S* is ('within_images'|nan), expected .* or "
    with pytest.raises(NirganError, match=said):
        PatchDataModule(MadeSource(), **{key: value})
