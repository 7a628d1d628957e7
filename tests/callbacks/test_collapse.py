import warnings

import pytest
import torch
from conftest import ROOT
from tasks_helpers import batch, data_of, train
from test_experiments import tiny
from torch import nn
from torch.optim import SGD, Adam

from nirgan.callbacks.collapse import Collapse
from nirgan.data.store import StoredPairs
from nirgan.errors import NirganError
from nirgan.experiment.lightning_cli import fit
from nirgan.networks.generators.baselines import MeanColor
from nirgan.tasks.adversarial import AdversarialTask
from nirgan.tasks.closed_form import ClosedFormTask
from nirgan.tasks.training import WeightedLoss


class Judge(nn.Module):
    """One layer over all that is shown."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4 * 16 * 16, 1)

    def forward(self, rgb, nir):
        return self.layer(torch.cat([rgb, nir], 1).flatten(1))


class Shown(nn.Module):
    """A generator that gives what it is told to, and a weight that has no say."""

    def __init__(self, what):
        super().__init__()
        self.what, self.weight = what, nn.Parameter(torch.zeros(1))

    def forward(self, triplet):
        return self.what(triplet) + 0 * self.weight


class Looking(Collapse):
    """Keeps what it looked for."""

    def __init__(self, **options):
        super().__init__(**options)
        self.looks = []

    def _warn_if(self, trainer, what, found, why, times=1):
        self.looks.append((what, why))
        super()._warn_if(trainer, what, found, why, times)


def frozen(parameters):
    return SGD(parameters, lr=0.0)


def quick(parameters):
    return Adam(parameters, lr=0.05)


def task(generator, judged_by=quick, **options):
    torch.manual_seed(0)
    makers = {"generator_optimizer": frozen, "discriminator_optimizer": judged_by}
    return AdversarialTask(generator, Judge(), **makers, **options)


BATCHES = [batch(seed=seed) for seed in range(4)]


def told(module, data=BATCHES, epochs=30, callback=None):
    """What is warned of during a run."""
    callback = callback or Collapse(batches=20)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(module, data, max_epochs=epochs, callbacks=[callback])
    said = [str(w.message) for w in caught]
    return [s for s in said if s.startswith("step") and ("discriminator" in s or "generator" in s)]


def test_a_discriminator_that_is_sure_is_told_once_with_its_loss():
    (said,) = told(task(Shown(torch.tanh)))
    assert "the discriminator is sure of every picture: its loss was 0.00" in said
    assert "over the last 20 batches (1.39 is chance)" in said
    assert "model.saturating=false" in said


def test_one_that_is_sure_but_goes_on_teaching_is_not_told():
    assert told(task(Shown(torch.tanh), saturating=False)) == []
    by_others = {
        "adversarial_weight": 0.0,
        "reconstruction": {"l1": WeightedLoss(nn.L1Loss(), 1.0)},
    }
    assert told(task(Shown(torch.tanh), **by_others)) == []


def test_a_discriminator_that_tells_nothing_apart_is_told():
    module = task(Shown(torch.tanh), judged_by=frozen)
    nn.init.zeros_(module.discriminator.layer.weight)
    (said,) = told(module)
    assert said.startswith("step 20: the discriminator gives every picture the same: its loss was ")
    assert "over the last 20 batches and varied by" in said


def test_a_discriminator_that_is_at_chance_because_it_errs_is_not_told():
    module = task(Shown(torch.tanh), judged_by=frozen)
    with torch.no_grad():
        module.discriminator.layer.weight *= 0.2
    callback = Looking(batches=20)
    assert told(module, callback=callback) == []
    assert [what for what, _ in callback.looks] == ["sure", "steady"] * 6
    assert float(callback.looks[0][1].split("its loss was ")[1].split()[0]) == 1.4


def test_what_recovered_in_between_is_told_again():
    module = task(Shown(torch.tanh))
    callback = Collapse(batches=4)
    update = module.update
    steps = iter(range(1000))

    def forgetful(optimizer, loss):
        if next(steps) == 160:  # of two a batch
            nn.init.zeros_(module.discriminator.layer.weight)
            optimizer.param_groups[0]["lr"] = 0.002
        update(optimizer, loss)

    module.update = forgetful
    said = told(module, epochs=200, callback=callback)
    assert ["sure of every picture" in s for s in said] == [True, True]


@pytest.fixture
def data(pair_folder):
    return data_of(pair_folder, patch=16, train_patches=8, val_patches=12)


def one_picture(triplet):
    return torch.linspace(-0.5, 0.5, 16).expand_as(triplet)


def test_a_generator_that_gives_one_picture_is_told_at_the_third_validation(data):
    (said,) = told(task(Shown(one_picture)), data, epochs=5, callback=Collapse(batches=2))
    assert said.startswith("step 6: the generator gives the same picture whatever it is shown")
    assert "its pictures differ by 0 on average" in said
    assert "the true ones by 0." in said


def test_the_first_batches_do_not_count(data):
    callback = Collapse(batches=8)
    assert told(task(Shown(one_picture)), data, epochs=5, callback=callback) == []


def test_a_generator_stuck_at_the_ends_is_told(data):
    module = task(Shown(lambda triplet: (triplet * 1000).sign()))
    (said,) = told(module, data, epochs=3, callback=Collapse(batches=2))
    assert "the generator is stuck at the ends of the range" in said
    assert "100% of its values are -1 or 1, of the true ones 0%" in said


@pytest.mark.parametrize("factor", [0.2, 3.0])
def test_a_pale_or_glaring_generator_is_not_told(factor, data):
    callback = Looking(batches=2)
    module = task(Shown(lambda triplet: (factor * triplet).clamp(-1, 1)))
    assert [s for s in told(module, data, epochs=5, callback=callback) if "sure" not in s] == []
    assert [what for what, _ in callback.looks].count("same") == 5


def test_a_generator_that_collapses_later_is_told(data):
    module = task(Shown(lambda triplet: triplet * (module.current_epoch < 3)))
    (said,) = told(module, data, epochs=6, callback=Collapse(batches=3))
    assert said.startswith("step 12: the generator gives the same picture")


def test_pictures_that_are_all_alike_ask_for_no_other(data, monkeypatch):
    stored = StoredPairs.__getitem__
    monkeypatch.setattr(StoredPairs, "__getitem__", lambda *which: stored(*which) * 0 + 100)
    module, callback = task(Shown(one_picture), saturating=False), Looking(batches=2)
    assert told(module, data, epochs=5, callback=callback) == []
    assert [what for what, _ in callback.looks].count("same") == 5


def test_a_method_that_gives_one_color_by_design_is_not_told(data):
    assert (
        told(ClosedFormTask(MeanColor()), data, callback=Collapse(batches=1, validations=1)) == []
    )


def test_no_batches_are_refused():
    with pytest.raises(NirganError, match="collapse.batches is 0, expected 1 or more"):
        Collapse(batches=0)


def test_a_healthy_run_is_looked_at_and_not_told(pair_folder, tmp_path, recwarn):
    name = "triplet_urban_small_reconstruction"
    arguments = [f"--config={ROOT}/conf/{name}.yaml", *tiny(pair_folder, tmp_path)]
    callback = Looking(batches=8)
    ran = fit([*arguments, "--data.train_patches=32", "--trainer.max_epochs=4"], [callback])
    assert [type(c) for c in ran.trainer.callbacks].count(Collapse) == 1
    assert {what for what, _ in callback.looks} == {"sure", "steady", "same", "stuck"}
    assert not [s for w in recwarn if (s := str(w.message)).startswith("step")]
