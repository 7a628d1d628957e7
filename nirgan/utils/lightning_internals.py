"""Parts of Lightning that are private, or that its documentation leaves out.

Everything else of this package asks here for them, so that a new version of Lightning is tried in
one place; pyproject.toml keeps out those that were not tried.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging
from lightning.pytorch.core.mixins import hparams_mixin
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.loops.progress import _BatchProgress


def batches_begun(trainer: Trainer, *, of_epoch: bool = False) -> int:
    """Training batches of the run or the epoch so far, the one that is trained on now included."""
    return 1 + (trainer.fit_loop.batch_idx if of_epoch else trainer.fit_loop.total_batch_idx)


def batches_done(trainer: Trainer) -> int:
    """Training batches since the start of the run that nothing is left to do for."""
    return _training(trainer).total.completed


def has_accumulated_gradients(trainer: Trainer) -> bool:
    """Whether batches have been trained on since the last step of an optimizer.

    Raises:
        RuntimeError: It is called within a batch.
    """
    progress: Any = _training(trainer)
    if progress.total.processed != progress.total.completed:
        raise RuntimeError("a checkpoint within a batch: call this from on_train_batch_start")
    return bool(progress.current.completed % trainer.accumulate_grad_batches)


def epoch_and_batches_done(trainer: Trainer) -> tuple[int, int]:
    """The epoch in which a run goes on, and how many of its batches are done."""
    epoch: Any = trainer.fit_loop.epoch_progress.current
    batches: Any = _training(trainer).current
    within = epoch.ready > epoch.processed  # else the count is that of the epoch before
    return epoch.processed, batches.processed if within else 0


def leave_finished_epoch(trainer: Trainer) -> None:
    """Let a run resumed from the end of an epoch begin the next: with max_steps it enters it anew.

    Call it in `on_train_start`.
    """
    loop = trainer.fit_loop
    if loop.restarted_on_epoch_end:
        loop.epoch_progress.increment_completed()
        loop.reset_restart_stage()
        loop.epoch_loop.reset_restart_stage()
        loop.epoch_loop.restarting = False


@contextmanager
def fetched_batch_uncounted(trainer: Trainer) -> Iterator[None]:
    """Leave the batch that was just fetched out of the counters: a resumed run fetches it again."""
    progress = _training(trainer)
    fetched, last = progress.total.ready - progress.total.completed, progress.is_last_batch
    progress.total.ready -= fetched
    progress.current.ready -= fetched
    progress.is_last_batch = last and not fetched
    try:
        yield
    finally:
        progress.total.ready += fetched
        progress.current.ready += fetched
        progress.is_last_batch = last


def begin_validation_anew(trainer: Trainer) -> None:
    """Set counters and averaged weights within a validation back to how it begins.

    Only from the first step does a resumed run repeat the validation; from any other it would
    continue after it, without its result. Averaged weights, in the task's place while it is
    validated, go back to theirs.
    """
    for averaging in weight_averaging(trainer):
        averaging.on_validation_epoch_end(trainer, trainer.lightning_module)
    progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
    progress.reset()
    progress.increment_ready()
    progress.increment_started()


def use_averaged_weights(trainer: Trainer, task: LightningModule) -> None:
    """Give a task its averaged weights, which Lightning does not where nothing is left to train."""
    for averaging in weight_averaging(trainer):
        averaging.on_train_end(trainer, task)


def weight_averaging(trainer: Trainer) -> list[WeightAveraging]:
    """The callbacks that average weights."""
    return [c for c in trainer.callbacks if isinstance(c, WeightAveraging)]  # type: ignore[attr-defined]


def over_ranks(trainer: Trainer, value: float, how: str) -> float:
    """The "min" or "max" of a value of all ranks, which all have to ask for."""
    if trainer.world_size == 1:
        return value
    own = torch.tensor(value, dtype=torch.float64, device=trainer.strategy.root_device)
    return float(trainer.strategy.reduce(own, reduce_op=how))


def leave_signals_alone(trainer: Trainer) -> None:
    """Keep a trainer from installing handlers of its own."""
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]


def intervals_within_epoch(checkpoint: ModelCheckpoint) -> tuple[Any, Any]:
    """The values of `every_n_train_steps` and `train_time_interval`."""
    return checkpoint._every_n_train_steps, checkpoint._train_time_interval


def take_wandb_run(logger: WandbLogger) -> Any:
    """The run that a logger has started, or None; when it needs one again, it continues this."""
    run = logger._experiment
    if run is not None:
        logger._experiment, logger._wandb_init["id"] = None, run.id
    return run


def built_by_command_line() -> bool:
    """Whether Lightning's command line is building a task, and knows what of."""
    return hparams_mixin._given_hyperparameters.get() is not None


hyperparameters = hparams_mixin._given_hyperparameters_context
"""Within it, `save_hyperparameters` keeps what it is given, as if the command line had given it."""


class WithoutRun:
    """Comes before `LightningCLI` among the bases of one that parses and runs nothing."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Do not run the verb."""


def _training(trainer: Trainer) -> _BatchProgress:
    return trainer.fit_loop.epoch_loop.batch_progress
