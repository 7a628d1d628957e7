import numpy as np
import pytest

from nirgan.data.patches import PatchBatchSampler, PatchTable, Region, ResumedSampler, hash_counter

REGIONS = [
    Region(0, 0, 80, 100, pair=0),
    Region(0, 200, 80, 264, pair=0),
    Region(10, 20, 74, 84, pair=1),
    Region(0, 0, 90, 90, pair=2),
]
CATEGORIES = ["urban", "water", "urban"]


def table():
    return PatchTable(REGIONS, CATEGORIES, 64)


def test_words_are_those_of_splitmix64():
    # The reference generator with state 0 gives these as its first outputs: state += golden, mix.
    mixed = 0xE220A8397B1DCDAF
    from nirgan.data.patches import _mix

    assert int(_mix(np.zeros(1, np.uint64))[0]) == mixed


def test_words_differ_by_seed_stream_and_number():
    numbers = np.arange(1000)
    drawn = np.concatenate([hash_counter(s, t, numbers) for s in (0, 1) for t in (0, 1)])
    assert len(np.unique(drawn)) == 4000
    bits = np.unpackbits(drawn.view(np.uint8)).mean()
    assert bits == pytest.approx(0.5, abs=0.005)


def test_a_patch_depends_on_seed_and_number_alone():
    whole = table().draw(3, np.arange(100))
    part = [99, 7, 7]
    some = table().draw(3, part)
    for name in ("pair", "top", "left", "hash"):
        assert np.array_equal(getattr(some, name), getattr(whole, name)[part])
    assert not np.array_equal(table().draw(4, np.arange(100)).top, whole.top)


def test_every_patch_lies_inside_a_region_of_its_pair_and_reaches_its_ends():
    draw = table().draw(0, np.arange(20_000))
    inside = np.zeros(20_000, int)
    for r in REGIONS:
        inside += (
            (draw.pair == r.pair)
            & (draw.top >= r.top)
            & (draw.top + 64 <= r.bottom)
            & (draw.left >= r.left)
            & (draw.left + 64 <= r.right)
        )
    assert (inside == 1).all()
    first = draw.pair == 0
    assert set(draw.left[first & (draw.left < 100)]) == set(range(37))
    assert set(draw.top[first]) == set(range(17))


def test_categories_take_turns_and_places_are_alike():
    draw = table().draw(0, np.arange(20_000))
    assert (draw.pair[1::2] == 1).all()  # water
    urban = draw.pair[0::2]
    assert (urban == 0).mean() == pytest.approx(0.5, abs=0.02)  # each pair, whatever its size
    in_strip = draw.left[draw.pair == 0] >= 200
    assert in_strip.mean() == pytest.approx(17 / (17 * 37 + 17), abs=0.01)  # each place alike


def test_the_epoch_is_the_same_set_for_any_number_of_ranks():
    samplers = [PatchBatchSampler(960, 8, rank, 4, training=True) for rank in range(4)]
    for sampler in samplers:
        sampler.set_epoch(2)
    batches = [[n for part in parts for n in part] for parts in zip(*samplers, strict=True)]
    assert batches == [list(range(1920 + i, 1952 + i)) for i in range(0, 960, 32)]


def test_every_validation_patch_is_judged_once():
    shares = [list(PatchBatchSampler(103, 10, r, 3, training=False)) for r in range(3)]
    assert sorted(n for share in shares for batch in share for n in batch) == list(range(103))
    assert [len(PatchBatchSampler(103, 10, r, 3, training=False)) for r in range(3)] == [4, 4, 3]


def test_training_leaves_out_the_last_batch_where_it_is_not_full():
    assert [len(b) for b in PatchBatchSampler(103, 10, training=True)] == [10] * 10


def test_an_epoch_is_gone_on_with_and_the_next_ones_are_whole():
    whole = PatchBatchSampler(40, 10, training=True)
    gone_on = ResumedSampler(PatchBatchSampler(40, 10, training=True), epoch=2, done=3)
    whole.set_epoch(2)
    assert list(gone_on) == list(whole)[3:]  # before anybody has said which epoch it is
    assert len(gone_on) == 4
    for sampler in (whole, gone_on):
        sampler.set_epoch(3)
    assert list(gone_on) == list(whole)
