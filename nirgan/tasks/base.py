"""What every method is, however it is trained: a task that colorizes and is judged."""

from pathlib import Path
from typing import Any, Self, cast

import lightning
import torch
from lightning.pytorch.callbacks import Timer
from torch import Tensor, nn
from torchmetrics import MetricCollection

from nirgan.data.datamodule import Batch
from nirgan.data.images import signed_to_unit
from nirgan.errors import NirganError
from nirgan.metrics import colorization_metrics
from nirgan.utils.config_files import use_former_paths
from nirgan.utils.safe_loading import Trust, check_hyperparameters, load_checkpoint


class ColorizationTask(lightning.LightningModule):
    """A method with a generator: validation, test and prediction.

    A task of its own kind adds `training_step` and `configure_optimizers`.

    Args:
        generator: Maps B x 3 x H x W (three noisy copies of the NIR band) in [-1, 1] to colors,
            B x 3 x H x W in [-1, 1], at any H and W.
    """

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator
        self.val_metrics = colorization_metrics("val/")
        self.test_metrics = colorization_metrics("test/")

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls,
        checkpoint_path: str | Path,
        map_location: Any = None,
        *,
        trust: Trust = False,
        **options: Any,
    ) -> Self:
        """Make a task as a checkpoint says, with its weights.

        Args:
            checkpoint_path: A file that `fit` has written.
            map_location: See `torch.load`.
            trust: Class paths of other packages that may be imported, which runs their code; True:
                whatever the file names.
            options: Lightning's, and arguments that take the place of the checkpoint's.

        Raises:
            NirganError: It is no checkpoint, or names what is neither trusted nor this class.
        """
        file, own = Path(checkpoint_path), f"{cls.__module__}.{cls.__qualname__}"
        named = trust or [own]
        if not isinstance(named, bool):
            named = [own, *([named] if isinstance(named, str) else named)]
        remedy = "if you know it, pass trust=[it]"
        check_hyperparameters(load_checkpoint(file, mmap=True), file, named, remedy)
        use_former_paths()  # Lightning parses with a parser of its own
        return super().load_from_checkpoint(file, map_location, **options | {"weights_only": True})

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to B x 3 x H x W in [-1, 1]."""
        return cast(Tensor, self.generator(triplet))

    def needs(self, *names: str) -> None:
        """Look whether the generator has what the task asks of it.

        Raises:
            NirganError: It has not.
        """
        if missing := [name for name in names if not hasattr(self.generator, name)]:
            raise NirganError(
                f"model.generator: {type(self.generator).__name__} has no {missing[0]!r}, which "
                f"{type(self).__name__} needs; give it a generator made for it, as in conf/model"
            )

    def run_fraction(self) -> float:
        """How much of the run is done, 0 to 1: of its epochs, steps or time, whichever ends it.

        Raises:
            NirganError: The run has no end.
        """
        timer = next((c for c in self.trainer.callbacks if isinstance(c, Timer)), None)  # type: ignore[attr-defined]
        by_time = 0.0
        if timer is not None and (left := timer.time_remaining()) is not None:
            spent = timer.time_elapsed()
            by_time = spent / (spent + left)
        done = self.trainer.fit_loop.epoch_loop.total_batch_idx + 1
        by_steps = 0.0
        if self.trainer.max_steps > 0:  # a step is one of one optimizer
            by_steps = done * len(self.trainer.optimizers) / self.trainer.max_steps
        by_epochs = 0.0
        if (epochs := self.trainer.max_epochs) is not None and epochs > 0:
            by_epochs = done / (epochs * self.trainer.num_training_batches)
        if timer is None and not by_steps and not by_epochs:
            raise NirganError("trainer.max_epochs is -1: a run without an end has no half; set one")
        return min(1.0, max(by_time, by_steps, by_epochs))

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Judge patches, and give callbacks the pictures: B x 3 x H x W in [0, 1]."""
        return {"rgb": self._judge(self.val_metrics, batch)}

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Judge whole regions."""
        self._judge(self.test_metrics, batch)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Colorize whole pictures: their names, and B x 3 x H x W in [0, 1]."""
        return {"names": batch["names"], "rgb": signed_to_unit(self(batch["triplet"]))}

    def _judge(self, metrics: MetricCollection, batch: Batch) -> Tensor:
        output = signed_to_unit(self(batch["triplet"]))
        with torch.autocast(output.device.type, enabled=False):  # in bf16, SSIM is off by tenths
            # Some metrics of torchmetrics cannot look at channels-last tensors.
            metrics.update(output.contiguous(), signed_to_unit(batch["rgb"]).contiguous())
        # As `log_dict` does it, with the one that is monitored in the progress bar.
        for name, metric in metrics.items(keep_base=False, copy_state=False):
            shown = name == "val/angular_error"
            self.log(name, metric, batch_size=len(batch["rgb"]), prog_bar=shown)
        return output
