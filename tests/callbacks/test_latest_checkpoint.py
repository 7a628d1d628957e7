import pytest
import torch
from lightning.pytorch.callbacks import Callback
from tasks_helpers import batch, train
from torch import nn

from nirgan.callbacks.latest_checkpoint import LatestCheckpoint
from nirgan.errors import NirganError
from nirgan.tasks.supervised import SupervisedTask
from nirgan.tasks.training import WeightedLoss

BATCHES = [batch(seed=seed) for seed in range(6)]


class Watched(LatestCheckpoint):
    """Notes after how many batches it was written."""

    def _write(self, trainer):
        super()._write(trainer)
        saved = torch.load(self.newest, weights_only=False)  # a task of its own
        self.written = [*getattr(self, "written", []), saved["global_step"]]


def fit(tmp_path, last, *callbacks, **trainer):
    generator = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Tanh())
    task = SupervisedTask(generator, {"l1": WeightedLoss(nn.L1Loss(), 1.0)})
    options = {"callbacks": [last, *callbacks], "enable_checkpointing": True}
    return train(task, BATCHES, default_root_dir=tmp_path, **options, **trainer)


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ({"every_batches": 2, "every_minutes": None}, [2, 4, 6]),
        ({"every_batches": 4}, [4, 6]),
        ({"every_minutes": 1e-9}, [1, 2, 3, 4, 5, 6]),
        ({}, [6]),
        ({"every_minutes": None}, [6]),
    ],
)
def test_it_is_written_as_often_as_it_was_asked_for_and_at_the_end(options, written, tmp_path):
    last = Watched(**options)
    fit(tmp_path, last)
    assert last.written == written
    assert last.newest == str(tmp_path / "checkpoints/last.ckpt")


def test_gradients_that_wait_for_a_step_are_waited_for(tmp_path):
    last = Watched(every_batches=1)
    fit(tmp_path, last, accumulate_grad_batches=3)
    assert last.written == [1, 2]  # steps of three batches


class AsksEarly(Callback):
    """Asks for a checkpoint while a batch is not done."""

    def __init__(self, last):
        self.last = last

    def on_train_batch_end(self, trainer, *_):
        self.last.save(trainer)


def test_a_checkpoint_within_a_batch_is_refused(tmp_path):
    last = LatestCheckpoint()
    with pytest.raises(RuntimeError, match="within a batch"):
        fit(tmp_path, last, AsksEarly(last))


@pytest.mark.parametrize("options", [{"every_batches": 0}, {"every_minutes": -1.0}])
def test_what_makes_no_sense_is_refused(options):
    (name,) = options
    with pytest.raises(NirganError, match=rf"last.{name} is .*, expected more than 0, or null"):
        LatestCheckpoint(**options)
