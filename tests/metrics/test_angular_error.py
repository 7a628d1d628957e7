import math

import numpy as np
import pytest
import torch
from processes import FORKING
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from nirgan.metrics import AngularError, UndefinedPixels, colorization_metrics
from nirgan.metrics.functional import angular_error


def pictures(count=3, height=17, width=23, seed=0):
    random = torch.Generator().manual_seed(seed)
    draw = lambda: torch.rand(count, 3, height, width, generator=random)  # noqa: E731
    return draw(), draw()


def reference(prediction, target):
    """Eq. 5 in float64, as it stands."""
    p, t = (x.double().numpy() for x in (prediction, target))
    cosine = (p * t).sum(1) / (np.linalg.norm(p, axis=1) * np.linalg.norm(t, axis=1))
    return np.degrees(np.arccos(cosine))


def scored(metric, *batches):
    for prediction, target in batches:
        metric.update(prediction, target)
    return metric.compute().item()


def test_it_is_equation_5():
    prediction, target = pictures()
    angles, counted = angular_error(prediction, target)
    assert counted.all()
    assert np.allclose(angles.numpy(), reference(prediction, target), atol=1e-4)
    assert scored(AngularError(), (prediction, target)) == pytest.approx(
        reference(prediction, target).mean(), abs=1e-4
    )


def test_equal_pictures_score_exactly_0_in_float32():
    levels = torch.arange(256).float().div(255).view(1, 1, 16, 16)
    colors = torch.cat([levels, levels.flip(2), levels.flip(3)], 1)
    assert scored(AngularError(), (colors, colors)) == 0.0


def test_small_angles_are_accurate():
    angle = 1e-4  # degrees; the arc cosine of a float32 cannot tell it from 0
    vector = lambda a: torch.tensor([math.cos(a), math.sin(a), 0.0]).view(1, 3, 1, 1)  # noqa: E731
    start = math.radians(30)
    error = scored(AngularError(), (vector(start), vector(start + math.radians(angle))))
    assert error == pytest.approx(angle, rel=0.05)


def test_right_angles_and_brightness():
    red, green = torch.zeros(1, 3, 1, 1), torch.zeros(1, 3, 1, 1)
    red[0, 0], green[0, 1] = 1.0, 0.01
    assert scored(AngularError(), (red, green)) == pytest.approx(90)
    prediction, target = pictures()
    darker = scored(AngularError(), (prediction * 0.3, target))
    assert darker == pytest.approx(scored(AngularError(), (prediction, target)), abs=1e-4)


def test_pixels_and_images_weigh_differently():
    large, small = pictures(1, 20, 30), pictures(1, 5, 4, seed=1)
    means = [reference(*pair).mean() for pair in (large, small)]
    pooled = (means[0] * 600 + means[1] * 20) / 620
    assert scored(AngularError(), large, small) == pytest.approx(pooled, abs=1e-4)
    assert scored(AngularError("images"), large, small) == pytest.approx(np.mean(means), abs=1e-4)


def test_pixels_without_color_are_left_out_and_counted():
    prediction, target = pictures(2)
    prediction[0, :, :2] = 0
    target[0, :, 1:4] = 0
    expected = reference(prediction[:, :, 4:], target[:, :, 4:])[0].sum()
    expected += reference(prediction, target)[1].sum()
    count = 2 * 17 * 23 - 4 * 23
    assert scored(AngularError(), (prediction, target)) == pytest.approx(expected / count, abs=1e-4)
    assert scored(UndefinedPixels(), (prediction, target)) == 4 * 23


def test_a_picture_without_any_color_is_no_image():
    prediction, target = pictures(2)
    prediction[0] = 0
    alone = scored(AngularError("images"), (prediction[1:], target[1:]))
    assert scored(AngularError("images"), (prediction, target)) == pytest.approx(alone)
    assert math.isnan(scored(AngularError(), (prediction[:1], target[:1])))


def test_the_usual_convention_with_an_epsilon():
    _, target = pictures()
    p = target.double().numpy()
    norm = np.linalg.norm(p, axis=1)
    expected = np.degrees(np.arccos((p * p).sum(1) / (norm * norm + 1e-6))).mean()
    assert expected > 0.05
    itself = scored(AngularError(convention="epsilon"), (target, target))
    assert itself == pytest.approx(expected, rel=0.2)  # float32 is that coarse so near to 0
    black = torch.zeros_like(target)
    assert scored(AngularError(convention="epsilon"), (black, target)) == pytest.approx(90)


def test_half_precision_is_computed_in_float32():
    prediction, target = (x.bfloat16() for x in pictures())
    exact = reference(prediction, target).mean()
    assert scored(AngularError(), (prediction, target)) == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        (
            torch.zeros(1, 3, 4, 4),
            torch.zeros(1, 3, 4, 5),
            r"\(1, 3, 4, 4\) and target \(1, 3, 4, 5\)",
        ),
        (torch.zeros(3, 4, 4), torch.zeros(3, 4, 4), "expected B x 3 x H x W"),
        (torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), "expected B x 3 x H x W"),
        (
            -torch.ones(1, 3, 4, 4),
            torch.ones(1, 3, 4, 4),
            r"prediction has values from -1 .*\(x \+ 1\) / 2",
        ),
        (torch.ones(1, 3, 4, 4), torch.full((1, 3, 4, 4), 255.0), "target has values from 255"),
        (
            torch.ones(1, 3, 4, 4, dtype=torch.uint8),
            torch.ones(1, 3, 4, 4),
            "prediction holds torch.uint8",
        ),
    ],
)
def test_wrong_pictures_say_what_is_expected(prediction, target, message):
    with pytest.raises(ValueError, match=message):
        AngularError().update(prediction, target)


def test_wrong_options_say_what_is_expected():
    with pytest.raises(ValueError, match="'pixels' or 'images'"):
        AngularError("mean")
    with pytest.raises(ValueError, match="'exact' or 'epsilon'"):
        AngularError(convention="eps")


def partly_black(seed):
    prediction, target = pictures(2, seed=seed)
    target[0, :, : seed + 1] = 0
    return prediction, target


def _rank(rank, folder):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
    )
    metrics = colorization_metrics("")
    for number in (0, 1, 2) if rank == 0 else (3,):  # unevenly shared
        metrics.update(*partly_black(number))
    values = {name: value.item() for name, value in metrics.compute().items()}
    torch.save(values, f"{folder}/{rank}")
    torch.distributed.destroy_process_group()


def test_two_processes_give_what_one_gives(tmp_path):
    ranks = [FORKING.Process(target=_rank, args=(rank, str(tmp_path))) for rank in (0, 1)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
        assert process.exitcode == 0
    alone = colorization_metrics("")
    for number in range(4):
        alone.update(*partly_black(number))
    expected = {name: value.item() for name, value in alone.compute().items()}
    for rank in (0, 1):
        assert torch.load(tmp_path / str(rank)) == pytest.approx(expected, rel=1e-6)


def test_psnr_and_ssim_are_those_of_scikit_image():
    prediction, target = pictures(4, 32, 40)
    prediction = 0.7 * target + 0.3 * prediction
    metrics = colorization_metrics("val/")
    metrics.update(prediction, target)
    values = metrics.compute()
    pairs = [(p.numpy(), t.numpy()) for p, t in zip(prediction, target, strict=True)]
    psnr = np.mean([peak_signal_noise_ratio(t, p, data_range=1) for p, t in pairs])
    ssim = np.mean(
        [
            structural_similarity(
                p, t, channel_axis=0, data_range=1, gaussian_weights=True, sigma=1.5,
                use_sample_covariance=False,
            )
            for p, t in pairs
        ]
    )  # fmt: skip
    assert values["val/psnr"].item() == pytest.approx(psnr, abs=1e-3)
    assert values["val/ssim"].item() == pytest.approx(ssim, abs=2e-3)  # borders differ


def test_a_network_that_diverged_scores_nan_and_not_what_is_left():
    truth = torch.rand(1, 3, 4, 8)
    output = truth.clone()
    output[..., 4:] = torch.nan
    metric = AngularError()
    metric.update(output, truth)
    assert metric.compute().isnan()


def test_rounding_below_0_is_no_direction():
    metric = UndefinedPixels()
    metric.update(torch.full((1, 3, 2, 2), -5e-4), torch.full((1, 3, 2, 2), 0.5))
    assert metric.compute() == 4
