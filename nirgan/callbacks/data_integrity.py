"""Detects judged data that are trained on, and data that change while a run reads them."""

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_warn

from nirgan.data.leaks import refuse_leaks
from nirgan.errors import NirganError


class DataIntegrity(Callback):
    """Checks the split once, and stored files before every epoch, validation, test, prediction."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Warn if what is judged is trained on, or may be."""
        if not trainer.is_global_zero:
            return
        try:
            refuse_leaks(trainer.datamodule)  # type: ignore[attr-defined]
        except NirganError as error:
            rank_zero_warn(f"what is judged may be trained on: {error}")

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
