import albumentations as A
import numpy as np
import pytest

from nirgan.data.transforms import Augmentation
from nirgan.errors import NirganError

PATCH = np.arange(8 * 8 * 4, dtype=np.uint8).reshape(8, 8, 4)


def test_a_seed_decides_every_draw_whatever_came_before():
    augment = Augmentation([A.D4(p=1)], [A.RandomBrightnessContrast(p=1)])
    forward = [augment(PATCH, seed, 8) for seed in range(40)]
    backward = [
        Augmentation([A.D4(p=1)], [A.RandomBrightnessContrast(p=1)])(PATCH, seed, 8)
        for seed in reversed(range(40))
    ]
    assert all(np.array_equal(a, b) for a, b in zip(forward, reversed(backward), strict=True))
    assert len({patch.tobytes() for patch in forward}) > 30


def test_geometry_keeps_the_pair_together():
    augment = Augmentation([A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)])
    patch = np.dstack([PATCH[..., 0]] * 4)
    seen = set()
    for seed in range(30):
        out = augment(patch, seed, 8)
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


def test_16_bits_are_transformed_as_8_are():
    """Many transforms take uint16 for 8 bits, and give black, or fail."""
    photometry = [A.RandomGamma((133, 133), p=1), A.GaussNoise((0.01, 0.01), p=1), A.CLAHE(p=1)]
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8)[:, None, None], (1, 64, 4))
    for transform in photometry:
        augment = Augmentation([A.HorizontalFlip(p=1)], [transform])
        eight, sixteen = augment(ramp, 1, 64), augment(ramp.astype(np.uint16) * 257, 1, 64)
        assert sixteen.dtype == np.uint16
        assert np.array_equal(sixteen[..., :3], eight[..., :3].astype(np.uint16) * 257)
        assert np.abs(sixteen[..., 3] / 257 - eight[..., 3]).mean() < 2, transform


@pytest.mark.parametrize(
    ("key", "transform", "words"),
    [
        ("geometry", A.ColorJitter(p=1), ": a transform fails on 4 channels of uint8"),
        ("geometry", A.ToFloat(), r" makes float32 \(8, 8, 4\) of uint8 \(8, 8, 4\); leave out"),
        ("geometry", A.ToTensorV2(), r" makes torch.uint8 \(4, 8, 8\) of uint8"),
        ("photometry", A.ToFloat(), r" makes float32 \(8, 8, 1\) of uint8"),
        ("photometry", A.Normalize(mean=0.5, std=0.5), " makes float32 .* leave out what"),
        ("photometry", A.RandomCrop(4, 4), r" makes uint8 \(4, 4, 1\) .*, or the band's size"),
    ],
)
def test_a_transform_that_cannot_be_is_named(key, transform, words):
    with pytest.raises(NirganError, match=f"data.{key}{words}"):
        Augmentation(**{key: [transform]})(PATCH, 1, 8)
