from collections import OrderedDict
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import Timer
from tasks_helpers import batch, train
from torch import nn

from nirgan.errors import NirganError
from nirgan.tasks.supervised import SupervisedTask
from nirgan.tasks.training import WeightedLoss


def task(**options):
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Tanh())
    return SupervisedTask(generator, {"l1": WeightedLoss(nn.L1Loss(), 10.0)}, **options)


def test_it_descends_the_weighted_sum():
    module, other = task(optimizer=lambda p: torch.optim.SGD(p, 0.1)), task()
    train(module, [batch()])
    shown = batch()
    loss = 10 * nn.functional.l1_loss((other(shown["triplet"]) + 1) / 2, (shown["rgb"] + 1) / 2)
    loss.backward()
    for moved, still in zip(module.parameters(), other.parameters(), strict=True):
        assert torch.allclose(moved, still - 0.1 * still.grad, atol=1e-6)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("to-zero", [1e-3, 7.5e-4, 5e-4, 2.5e-4]), ("cosine", [1e-3, 8.535e-4, 5e-4, 1.464e-4])],
)
def test_a_schedule_moves_on_after_every_batch(schedule, expected):
    module = task(scheduler=schedule)
    rates = []
    module.on_train_batch_start = lambda *_: rates.append(
        module.trainer.optimizers[0].param_groups[0]["lr"]
    )
    trainer = train(module, [batch(seed=i) for i in range(4)])
    assert rates == pytest.approx(expected, rel=1e-3)
    assert trainer.optimizers[0].param_groups[0]["lr"] == 0


def test_a_schedule_counts_steps_where_several_batches_make_one():
    module = task(scheduler="to-zero")
    rates = []
    module.on_train_batch_start = lambda *_: rates.append(
        module.trainer.optimizers[0].param_groups[0]["lr"]
    )
    batches = [batch(seed=i) for i in range(4)]
    train(module, batches, max_steps=2, max_epochs=-1, accumulate_grad_batches=2)
    assert rates == pytest.approx([1e-3, 1e-3, 5e-4, 5e-4])


def test_of_ranks_whose_clocks_differ_the_first_to_end_counts():
    strategy = SimpleNamespace(
        root_device="cpu", reduce=lambda own, reduce_op: torch.maximum(own, torch.tensor(0.75))
    )
    timer = Timer({"seconds": 4})
    timer.time_elapsed = lambda *_: 1.0
    loops = {"max_steps": -1, "max_epochs": -1, "fit_loop": SimpleNamespace(total_batch_idx=0)}
    module = task()
    module._trainer = SimpleNamespace(world_size=2, strategy=strategy, callbacks=[timer], **loops)
    assert module.run_fraction() == 0.75


def test_a_generator_without_any_loss_is_refused():
    with pytest.raises(NirganError, match=r"model.losses: none has a weight"):
        SupervisedTask(nn.Identity(), {"l1": WeightedLoss(nn.L1Loss(), 0.0)})


def test_parts_have_learning_rates_of_their_own_and_frozen_ones_none():
    def parted():
        torch.manual_seed(0)
        layers = {"encoder": nn.Conv2d(3, 3, 1), "encoder_of_others": nn.Conv2d(3, 3, 1)}
        generator = nn.Sequential(OrderedDict(layers, still=nn.Conv2d(3, 3, 1)))
        generator.still.requires_grad_(False)
        return generator

    losses = {"l1": WeightedLoss(nn.L1Loss(), 10.0)}
    sgd, rates = partial(torch.optim.SGD, lr=0.1), {"generator.encoder": 0.25}
    module, other = SupervisedTask(parted(), losses, sgd, lr_factors=rates), parted()
    train(module, [batch()])
    shown = batch()
    loss = 10 * nn.functional.l1_loss((other(shown["triplet"]) + 1) / 2, (shown["rgb"] + 1) / 2)
    loss.backward()
    for name, rate in (("encoder", 0.025), ("encoder_of_others", 0.1)):
        weight = getattr(other, name).weight
        moved = getattr(module.generator, name).weight
        assert torch.allclose(moved, weight - rate * weight.grad, atol=1e-6)
    assert torch.equal(module.generator.still.weight, other.still.weight)


def test_losses_are_logged_where_they_reach_the_log_or_a_person_looks(monkeypatch):
    module, clock, logged = task(), iter([0.0, 0.4, 0.8, 1.1, 1.9]), []
    time = SimpleNamespace(monotonic=lambda: next(clock))
    monkeypatch.setattr("nirgan.tasks.base.time", time)
    module.log_dict = lambda values, prog_bar: logged.append(module.trainer.global_step + 1)
    train(module, [batch()] * 5, log_every_n_steps=3)
    assert logged == [1, 3, 5]  # the second after the first, a third one, a second later
