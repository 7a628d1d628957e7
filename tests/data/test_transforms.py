import albumentations as A
import numpy as np
import pytest

from nirgan.data.transforms import Augmentation
from nirgan.errors import NirganError

PATCH = np.arange(8 * 8 * 4, dtype=np.uint8).reshape(8, 8, 4)


def test_a_word_decides_every_draw_whatever_came_before():
    augment = Augmentation([A.D4(p=1)], [A.RandomBrightnessContrast(p=1)])
    forward = [augment(PATCH, word, 8) for word in range(40)]
    backward = [
        Augmentation([A.D4(p=1)], [A.RandomBrightnessContrast(p=1)])(PATCH, word, 8)
        for word in reversed(range(40))
    ]
    assert all(np.array_equal(a, b) for a, b in zip(forward, reversed(backward), strict=True))
    assert len({patch.tobytes() for patch in forward}) > 30


def test_geometry_keeps_the_pair_together():
    augment = Augmentation([A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)])
    patch = np.dstack([PATCH[..., 0]] * 4)
    seen = set()
    for word in range(30):
        out = augment(patch, word, 8)
        assert all(np.array_equal(out[..., 0], out[..., c]) for c in (1, 2, 3))
        seen.add(out.tobytes())
    assert len(seen) == 4


def test_photometry_is_for_the_band_alone():
    out = Augmentation((), [A.InvertImg(p=1)])(PATCH, 1, 8)
    assert np.array_equal(out[..., :3], PATCH[..., :3])
    assert np.array_equal(out[..., 3], 255 - PATCH[..., 3])


def test_a_geometry_that_changes_the_size_says_what_is_expected():
    shrink = Augmentation([A.RandomCrop(16, 16)])
    with pytest.raises(NirganError, match=r"gives 16x16 pixels, expected 32x32 \(data.patch\)"):
        shrink(np.zeros((32, 32, 4), np.uint8), 1, 32)
