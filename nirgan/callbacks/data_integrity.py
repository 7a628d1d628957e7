"""Detects data that disappear or change while a run reads them."""

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from nirgan.errors import NirganError


class DataIntegrity(Callback):
    """Checks stored files and pictures before every epoch, validation, test and prediction."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the data.

        Raises:
            NirganError: A process cannot read its stored files any more.
        """
        snapshot = trainer.datamodule.snapshot  # type: ignore[attr-defined]
        snapshot.warn_changes()
        damage = snapshot.damage()
        # All ranks stop together; if only one did, the others would wait for it.
        if not trainer.strategy.reduce_boolean_decision(damage is None):
            raise NirganError(damage or "another process cannot read its store any more, see there")

    on_validation_epoch_start = on_test_epoch_start = on_train_epoch_start
    on_predict_epoch_start = on_train_epoch_start
