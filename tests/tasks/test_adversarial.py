import copy
from functools import partial

import pytest
import torch
from tasks_helpers import batch, moved_by_each_update, train
from torch import nn

from nirgan.errors import NirganError
from nirgan.networks.discriminators.conditional import Conditional
from nirgan.networks.generators.flat import Flat
from nirgan.networks.generators.triplet import Triplet
from nirgan.networks.virtual_batch_norm import VirtualBatchNormalized
from nirgan.tasks.adversarial import AdversarialTask, WeightRegularizer, _regularized_weights
from nirgan.tasks.training import WeightedLoss


def task(norm="batch", **options):
    torch.manual_seed(0)
    generator = Triplet(widths=(4, 4), kernels=(3, 3), last_kernel=3, std=0.1)
    discriminator = Conditional(widths=(4, 8), patch=16, norm=norm, std=0.1)
    return AdversarialTask(generator, discriminator, **options)


def test_the_layer_that_is_regularized_is_the_first_unless_one_is_named():
    small = {"widths": (4, 4), "kernels": (3, 3), "last_kernel": 3}
    networks = {
        "red.layers.0": Triplet(**small),
        "branch.layers.0": Flat(**small),
        "network.branch.layers.0": VirtualBatchNormalized(Flat(**small)),
        "1": nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)),
    }
    for first, network in networks.items():
        (weights,) = _regularized_weights(network, None)
        inside = network.get_submodule(first).modules()
        assert weights is next(m.weight for m in inside if isinstance(m, nn.Conv2d))
    with pytest.raises(NirganError, match=r"model.l1.layer: '' has no weights"):
        _regularized_weights(nn.Identity(), None)


def test_each_step_moves_its_own_network_alone():
    assert moved_by_each_update(task()) == [{"discriminator"}, {"generator"}]


def test_one_step_equals_the_equations_written_out():
    module, other = task(), task()
    train(module, [batch()])
    x, y, z = (batch()[name] for name in ("rgb", "nir", "triplet"))
    make_d, make_g = other.make_optimizers
    adam_d, adam_g = make_d(other.discriminator.parameters()), make_g(other.generator.parameters())
    other.train()
    fake = other.generator(z)
    ascend = torch.log(torch.sigmoid(other.discriminator(x, y))) + torch.log(
        1 - torch.sigmoid(other.discriminator(fake.detach(), y))
    )
    (-ascend.mean()).backward()
    adam_d.step()
    torch.log(1 - torch.sigmoid(other.discriminator(fake, y))).mean().backward()
    adam_g.step()
    for (name, a), b in zip(module.named_parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6), name


def test_a_step_with_penalties_equals_the_formulas_written_out():
    module = task(norm="none", gradient_penalty=3.0, saturating=False)
    other = task(norm="none")
    train(module, [batch()])
    x, y, z = (batch()[name] for name in ("rgb", "nir", "triplet"))
    adam_d, adam_g = (o for o in other.configure_optimizers())
    other.train()
    fake = other.generator(z)
    pictures = [p.detach().requires_grad_() for p in (x, fake)]
    real, made = (other.discriminator(p, y) for p in pictures)
    softplus = torch.nn.functional.softplus
    loss = softplus(-real).mean() + softplus(made).mean()
    for logits, picture in zip((real, made), pictures, strict=True):
        (slope,) = torch.autograd.grad(logits.sum(), picture, create_graph=True)
        loss = loss + 3 / 2 * (slope**2).sum() / len(picture)
    loss.backward()
    adam_d.step()
    softplus(-other.discriminator(fake, y)).mean().backward()
    adam_g.step()
    for (name, a), b in zip(module.named_parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6), name


def test_reconstruction_terms_count_by_weight_on_values_from_0_to_1():
    module = task(
        adversarial_weight=0.0,
        reconstruction={
            "l1": WeightedLoss(nn.L1Loss(), 10.0),
            "mse": WeightedLoss(nn.MSELoss(), 0.0),
        },
    )
    shown = batch()
    losses = module.generator_losses(shown["rgb"], shown["nir"], shown["rgb"] * 0)
    assert list(losses) == ["l1"]
    assert losses["l1"].item() == pytest.approx(10 * shown["rgb"].abs().mean().item() / 2, rel=1e-5)


def test_the_adversarial_loss_counts_by_its_weight():
    half, whole = (task(adversarial_weight=w).generator_losses(**_xyg()) for w in (0.5, 1.0))
    assert half["generator"].item() == pytest.approx(whole["generator"].item() / 2)


def test_the_l1_regulariser_is_the_sum_over_one_layer():
    module = task(adversarial_weight=0.0, l1=WeightRegularizer("red.layers.0", 0.5))
    loss = module.generator_losses(**_xyg())["l1_regularizer"]
    weight = module.generator.red.layers[0][0].weight
    assert loss.item() == pytest.approx(0.5 * weight.abs().sum().item())
    loss.backward()
    with_gradient = [n for n, p in module.generator.named_parameters() if p.grad is not None]
    assert with_gradient == ["red.layers.0.0.weight"]
    assert torch.equal(weight.grad, 0.5 * weight.sign())


def _xyg():
    shown = batch()
    return {"x": shown["rgb"], "y": shown["nir"], "generated": shown["rgb"]}


ALONE = {"adversarial_weight": 0.0}
PLATEAU = torch.optim.lr_scheduler.ReduceLROnPlateau
NEGATIVE = partial(torch.optim.Adam, lr=-1)
MISTAKES = {
    r"model.l1.layer.*'red.layer.0'.*did you mean 'red.layers.0'": {
        "l1": WeightRegularizer("red.layer.0")
    },
    r"adversarial_weight is 0 .* nothing to learn from": ALONE,
    "nothing to learn from; raise": ALONE | {"l1": WeightRegularizer("red.layers.0", 0.0)},
    "a loss cannot be called 'generator'": {
        "reconstruction": {"generator": WeightedLoss(nn.L1Loss(), 1.0)}
    },
    "loss 'l1': its weight is -1.0, expected 0 or more": {
        "reconstruction": {"l1": WeightedLoss(nn.L1Loss(), -1.0)}
    },
    "gradient_clip_norm is -1": {"gradient_clip_norm": -1},
    "gradient_penalty is -1, expected 0 or more": {"gradient_penalty": -1},
    "ReduceLROnPlateau waits for a metric": {"scheduler": PLATEAU},
    "'generator' has one below 0, expected 0 or more": {"lr_factors": {"generator": -2}},
    "nothing in 'generator.rde' is trained": {"lr_factors": {"generator.rde": 0.25}},
    "optimizer cannot be made of its arguments: Invalid lear": {"generator_optimizer": NEGATIVE},
}


@pytest.mark.parametrize("said", MISTAKES)
def test_an_argument_that_cannot_be_is_refused(said):
    with pytest.raises(NirganError, match=said):
        task(**MISTAKES[said]).configure_optimizers()


def test_the_papers_adam():
    for optimizer, beta1 in zip(task().configure_optimizers(), (0.5, 0.4), strict=True):
        group = optimizer.param_groups[0]
        assert (group["lr"], group["eps"], group["weight_decay"]) == (2e-4, 1e-8, 1e-5)
        assert group["betas"] == (beta1, 0.999)


def test_a_schedule_acts_on_both_after_every_batch():
    module = task(scheduler=lambda o: torch.optim.lr_scheduler.StepLR(o, 2, 0.1))
    trainer = train(module, [batch(seed=i) for i in range(5)])
    rates = [o.param_groups[0]["lr"] for o in trainer.optimizers]
    assert rates == pytest.approx([2e-6, 2e-6])


def test_to_zero_falls_over_the_whole_run_however_long():
    rates = []
    for epochs, batches in ((1, 4), (2, 5)):
        module = task(scheduler="to-zero")
        noted = []
        module.on_train_batch_start = lambda *_, m=module, n=noted: n.append(
            [o.param_groups[0]["lr"] for o in m.trainer.optimizers]
        )
        trainer = train(module, [batch(seed=i) for i in range(batches)], max_epochs=epochs)
        rates.append(noted)
        assert [o.param_groups[0]["lr"] for o in trainer.optimizers] == [0, 0]
    for noted in rates:
        expected = [2e-4 * (1 - i / len(noted)) for i in range(len(noted))]
        for rate, both in zip(expected, noted, strict=True):
            assert both == pytest.approx([rate, rate])


def test_to_zero_follows_the_clock_where_that_ends_the_run():
    module = task(scheduler="to-zero")
    fractions = []
    module.on_train_batch_end = lambda *_: fractions.append(module.run_fraction())
    train(module, [batch()] * 3, max_epochs=-1, max_time={"seconds": 2})
    assert fractions == sorted(fractions)
    assert fractions[0] < 0.5
    assert fractions[-1] == pytest.approx(1, abs=0.2)


def test_a_run_without_an_end_cannot_fall_to_zero():
    with pytest.raises(NirganError, match=r"trainer.max_epochs is -1"):
        train(task(scheduler="to-zero"), [batch()], max_epochs=-1)


def test_gradients_are_clipped_for_each_network():
    module = task(gradient_clip_norm=1e-3)
    norms = []

    class Measuring(torch.optim.SGD):
        def step(self, closure=None):
            closure()
            gradients = [p.grad.norm() for g in self.param_groups for p in g["params"]]
            norms.append(torch.stack(gradients).norm().item())

    module.make_optimizers = (Measuring, Measuring)
    train(module, [batch()])
    assert len(norms) == 2
    assert max(norms) <= 1e-3 * 1.001
    module.gradient_clip_norm = None
    train(module, [batch()])
    assert max(norms[2:]) > 1e-2


def test_channels_last_changes_the_layout_and_not_the_training():
    plain, last = task(), task(channels_last=True)
    assert last.generator.green.layers[1][0].weight.is_contiguous(memory_format=torch.channels_last)
    for module in (plain, last):
        train(module, [batch(seed=i) for i in range(2)])
    for a, b in zip(plain.parameters(), last.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-3)


def test_bf16_trains():
    module = task()
    before = copy.deepcopy(module.state_dict())
    train(module, [batch()], precision="bf16-mixed")
    assert all(p.isfinite().all() and p.dtype == torch.float32 for p in module.parameters())
    assert not torch.equal(before["generator.red.last.weight"], module.generator.red.last.weight)


def test_to_zero_follows_the_steps_where_they_end_the_run():
    """Lightning counts a step of either optimizer as one."""
    module = task(scheduler="to-zero")
    trainer = train(module, [batch()] * 20, max_steps=8)
    assert trainer.fit_loop.epoch_loop.total_batch_idx + 1 == 4
    assert [o.param_groups[0]["lr"] for o in trainer.optimizers] == [0, 0]


def test_the_balance_of_a_step_is_logged():
    module, other = task(), task()
    shown = batch()
    logged = train(module, [shown]).callback_metrics
    other.train()
    fake = other.generator(shown["triplet"])
    loss, accuracy = other.discriminator_loss(shown["rgb"], shown["nir"], fake.detach())
    real, made = (other.discriminator(colors, shown["nir"]) for colors in (shown["rgb"], fake))
    right = [*(real > 0).flatten(), *(made < 0).flatten()]
    assert logged["train/discriminator_accuracy"] == accuracy == sum(right) / len(right)
    loss.backward()
    gradient = torch.cat([p.grad.flatten() for p in other.discriminator.parameters()])
    assert logged["train/discriminator_gradient"].item() == pytest.approx(gradient.norm().item())
    assert 0 < logged["train/generator_gradient"] != logged["train/discriminator_gradient"]
    spread = fake.std(0, correction=0).square().mean().sqrt()
    true = shown["rgb"].std(0, correction=0).square().mean().sqrt()
    assert logged["train/spread"].item() == pytest.approx((spread / true).item(), rel=1e-4)


def test_parts_have_learning_rates_of_their_own():
    judge, maker = task(
        lr_factors={"generator.red": 0.25, "discriminator": 0.5}
    ).configure_optimizers()
    assert [group["lr"] for group in judge.param_groups] == [1e-4]
    assert [group["lr"] for group in maker.param_groups] == [2e-4, 5e-5]
