import cv2
import numpy as np
import pytest
import torch

from nirgan.networks.generators.limmer import MultiScale, joint_bilateral, locally_normalized


def picture(height=40, width=56, channels=1):
    random = torch.Generator().manual_seed(0)
    return torch.rand(1, channels, height, width, generator=random)


def test_the_bilateral_filter_is_opencvs_where_a_picture_guides_itself():
    band = picture()
    ours = joint_bilateral(band, band, 5, 3.0, 0.1)[0, 0].numpy()
    theirs = cv2.bilateralFilter(band[0, 0].numpy(), 11, 0.1, 3.0)
    assert np.abs(ours - theirs).max() < 1e-3  # OpenCV takes its weights from a table


def test_the_guide_decides_what_is_an_edge():
    step = torch.zeros(1, 1, 16, 32)
    step[..., 16:] = 1
    noise = 0.2 * picture(16, 32)
    kept = joint_bilateral(step + noise, step, 4, 3.0, 0.1)
    blurred = joint_bilateral(step + noise, torch.zeros_like(step), 4, 3.0, 0.1)
    assert (kept[..., 16] - kept[..., 15]).mean() > 0.9
    assert (blurred[..., 16] - blurred[..., 15]).mean() < 0.3
    assert kept[..., :12].std() < noise[..., :12].std() / 2


def test_local_normalization_takes_away_light_and_contrast():
    texture = picture(32, 32) - 0.5
    plain, lit = (locally_normalized(x, 4, floor=0.0) for x in (texture, 7 * texture + 3))
    assert torch.allclose(plain, lit, atol=1e-3)
    assert plain.mean().abs() < 0.05
    assert plain.std() == pytest.approx(1, abs=0.1)
    assert locally_normalized(torch.ones(1, 1, 8, 8), 2).abs().max() < 1e-5


def network(**options):
    torch.manual_seed(0)
    return MultiScale((4, 6), 3, joined=4, **options)


def test_one_cnn_looks_at_every_level_of_the_pyramid():
    sizes = []
    model = network(levels=3).eval()
    model.shared.register_forward_hook(lambda *args: sizes.append(tuple(args[2].shape[-2:])))
    with torch.no_grad():
        model.raw(picture(40, 56, 3) * 2 - 1)
    assert sizes == [(40, 56), (20, 28), (10, 14)]


def test_raw_and_filtered_outputs_are_both_to_be_had():
    model, nir = network(), picture(40, 56, 1).expand(1, 3, 40, 56) * 2 - 1
    with torch.no_grad():
        raw, filtered = model.eval().raw(nir), model(nir)
        assert not torch.allclose(raw, filtered)
        assert torch.allclose(filtered, model.restore(raw, nir))
        model.filtered = False
        assert torch.equal(model(nir), raw)


def test_detail_is_that_of_nir():
    model, nir = network(), picture(40, 56, 1).expand(1, 3, 40, 56) * 2 - 1
    flat = torch.zeros(1, 3, 40, 56)
    radius, space, reach = model.filter
    band = nir[:, :1]
    detail = band - joint_bilateral(band, band, radius, space, reach)
    assert torch.allclose(model.restore(flat, nir), detail.expand(1, 3, 40, 56), atol=1e-5)


def test_a_pyramid_has_a_level():
    with pytest.raises(ValueError, match="levels is 0"):
        network(levels=0)
