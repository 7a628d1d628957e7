import math

import pytest
import torch

from nirgan.losses.adversarial import discriminator_loss, generator_loss, gradient_penalty
from nirgan.losses.angular import AngleLoss, AngularLoss, ColoredAngleLoss
from nirgan.losses.lab import LabLoss
from nirgan.losses.ssim import SSIMLoss
from nirgan.metrics.functional import angular_error


def test_equation_3_by_hand():
    # D(x) = 3/4 and 1/2, D(G) = 1/4 and 1/2: logits log(p / (1 - p)).
    real = torch.tensor([math.log(3), 0.0])
    generated = torch.tensor([-math.log(3), 0.0])
    value = (math.log(3 / 4) + math.log(1 / 2)) / 2 + (math.log(3 / 4) + math.log(1 / 2)) / 2
    assert discriminator_loss(real, generated).item() == pytest.approx(-value)


def test_equation_4_by_hand_and_its_non_saturating_form():
    generated = torch.tensor([math.log(3), 0.0])  # D(G) = 3/4 and 1/2
    saturating = (math.log(1 / 4) + math.log(1 / 2)) / 2
    other = -(math.log(3 / 4) + math.log(1 / 2)) / 2
    assert generator_loss(generated).item() == pytest.approx(saturating)
    assert generator_loss(generated, saturating=False).item() == pytest.approx(other)


@pytest.mark.parametrize("logits", ["one", "of parts"])
def test_the_gradient_penalty_is_the_squared_slope_of_a_pictures_logit(logits):
    weight = torch.tensor([0.5, -1.0, 2.0], requires_grad=True)
    pictures = torch.rand(4, 3, 2, 2, requires_grad=True)
    of_pixel = (weight.view(1, 3, 1, 1) * pictures).sum(1)
    # A picture's logit is the mean of what its pixels give, of each a quarter.
    penalty = gradient_penalty(
        of_pixel if logits == "of parts" else of_pixel.mean((1, 2)), pictures
    )
    assert penalty.item() == pytest.approx(4 * (0.25 + 1 + 4) / 16)
    penalty.backward()
    assert torch.allclose(weight.grad, weight.detach() / 2)


def test_extreme_logits_stay_finite():
    for sign in (1, -1):
        logits = torch.full((2,), sign * 1e4, dtype=torch.bfloat16, requires_grad=True)
        losses = [
            discriminator_loss(logits, logits),
            generator_loss(logits),
            generator_loss(logits, saturating=False),
        ]
        torch.stack(losses).sum().backward()
        assert all(loss.isfinite() and loss.dtype == torch.float32 for loss in losses)
        assert logits.grad.isfinite().all()


def test_the_angular_loss_is_1_minus_the_cosine():
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    diagonal = torch.tensor([0.5, 0.5, 0.0]).view(1, 3, 1, 1)
    assert AngularLoss()(red, diagonal).item() == pytest.approx(1 - math.cos(math.pi / 4))
    assert AngularLoss()(red, red * 0.2).item() == pytest.approx(0, abs=1e-6)


def test_the_ssim_loss_is_0_for_equal_pictures_and_falls_towards_them():
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 32, 32)
    assert SSIMLoss()(picture, picture).item() == pytest.approx(0, abs=1e-6)
    near = SSIMLoss()(picture * 0.9 + 0.05, picture)
    far = SSIMLoss()(picture.flip(3), picture)
    assert 0 < near < far < 2


def saturated(seed=0):
    """Pictures whose left half has color and whose right half hardly any."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(2, 3, 16, 16, generator=generator)
    truth[..., 8:] = truth[:, :1, :, 8:] + 0.01 * truth[..., 8:]
    return torch.rand(2, 3, 16, 16, generator=generator), truth.clamp(0.05, 1)


def test_the_angle_is_what_is_measured():
    output, truth = saturated()
    angles, _ = angular_error(output, truth)
    assert math.degrees(AngleLoss()(output, truth)) == pytest.approx(angles.mean().item(), rel=1e-3)
    colored = math.degrees(ColoredAngleLoss()(output, truth))
    assert colored == pytest.approx(angles[..., :8].mean().item(), rel=0.05)
    assert colored != pytest.approx(angles.mean().item(), rel=0.05)
    assert ColoredAngleLoss()(output, torch.full_like(truth, 0.5)) == 0


def test_cielab_counts_what_scikit_image_does():
    from skimage.color import rgb2lab

    output, truth = saturated()
    a, b = (rgb2lab(x.permute(0, 2, 3, 1).double().numpy()) for x in (output, truth))
    assert LabLoss()(output, truth).item() == pytest.approx(abs(a - b).mean() / 100, rel=1e-3)


@pytest.mark.parametrize("loss", [AngularLoss(), AngleLoss(), ColoredAngleLoss(), LabLoss()])
def test_gradients_are_finite_everywhere(loss):
    _, truth = saturated()
    for output in (truth, torch.zeros_like(truth)):  # equal, black
        picture = output.clone().requires_grad_()
        loss(picture, truth).backward()
        assert picture.grad.isfinite().all()
