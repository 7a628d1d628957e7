"""A run whose data disappear or change under it says so."""

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from nirgan.errors import NirganError


class DataIntegrity(Callback):
    """Looks at stored files and pictures before every epoch, and before anything is judged."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look."""
        _check(trainer)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look."""
        _check(trainer)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look."""
        _check(trainer)

    def on_predict_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look."""
        _check(trainer)


def _check(trainer: Trainer) -> None:
    opened = trainer.datamodule.snapshot  # type: ignore[attr-defined]
    opened.tell_changes()
    damage = opened.damage()
    # One process alone would leave the others waiting for it.
    if not trainer.strategy.reduce_boolean_decision(damage is None):
        raise NirganError(damage or "another process cannot read its store any more, see there")
