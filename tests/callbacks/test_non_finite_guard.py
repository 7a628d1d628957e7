import pytest
import torch
from tasks_helpers import batch, data_of, train
from torch import nn

from nirgan.callbacks.latest_checkpoint import LatestCheckpoint
from nirgan.callbacks.non_finite_guard import NonFiniteGuard
from nirgan.errors import NirganError
from nirgan.networks.generators.baselines import NirTable
from nirgan.tasks.closed_form import ClosedFormTask
from nirgan.tasks.supervised import SupervisedTask
from nirgan.tasks.training import WeightedLoss


class Failing(nn.Module):
    """The mean absolute error, and from its third call on not a number."""

    def __init__(self, calls=3):
        super().__init__()
        self.left = calls

    def forward(self, prediction, target):
        self.left -= 1
        return nn.functional.l1_loss(prediction, target) * (float("nan") if self.left <= 0 else 1)


def task(loss=None):
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Tanh())
    terms = {"fine": WeightedLoss(nn.L1Loss(), 1.0), "odd": WeightedLoss(loss or nn.L1Loss(), 1.0)}
    return SupervisedTask(generator, terms)


BATCHES = [batch(seed=seed) for seed in range(5)]


def test_a_loss_that_is_no_number_stops_the_run_at_that_step(tmp_path):
    saving = {
        "callbacks": [NonFiniteGuard(), LatestCheckpoint(every_batches=1)],
        "enable_checkpointing": True,
    }
    with pytest.raises(NirganError) as error:
        train(task(Failing()), BATCHES, default_root_dir=tmp_path, **saving)
    assert str(error.value).startswith("step 3: train/odd is not finite; ")
    file = tmp_path / "checkpoints/last.ckpt"
    assert f"the newest checkpoint is {file};" in str(error.value)
    kept = torch.load(file, weights_only=False)  # a task of its own
    assert kept["global_step"] == 2
    assert all(value.isfinite().all() for value in kept["state_dict"].values())


def test_a_parameter_that_is_no_number_stops_the_run():
    module = task()
    module.make_optimizer = lambda parameters: torch.optim.SGD(parameters, lr=float("inf"))
    with pytest.raises(NirganError) as error:
        train(module, BATCHES, callbacks=[NonFiniteGuard()])
    assert str(error.value) == (
        "step 1: parameter generator.0.weight is not finite; no checkpoint was saved yet; start "
        "anew with a lower learning rate"
    )


def test_a_healthy_run_goes_on():
    trainer = train(task(), BATCHES, callbacks=[NonFiniteGuard()])
    assert trainer.global_step == 5


def test_a_method_without_parameters_goes_on(pair_folder):
    guarded = {"callbacks": [NonFiniteGuard()]}
    trainer = train(ClosedFormTask(NirTable()), data_of(pair_folder), **guarded)
    assert trainer.global_step == 7  # regions
