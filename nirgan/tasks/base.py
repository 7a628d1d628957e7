"""The base class of all methods, trained or not: a task that colorizes and is evaluated."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast

import lightning
import torch
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn
from torchmetrics import MetricCollection

from nirgan.data.batches import Batch
from nirgan.data.datamodule import PatchDataModule
from nirgan.data.images import signed_to_unit
from nirgan.errors import NirganError
from nirgan.metrics import MAIN, colorization_metrics
from nirgan.metrics.functional import RANGE_TOLERANCE
from nirgan.utils.config_files import use_other_names
from nirgan.utils.lightning_internals import (
    batches_begun,
    built_by_command_line,
    hyperparameters,
    over_ranks,
)
from nirgan.utils.recording import Recorded, UnknownArgumentsError
from nirgan.utils.safe_loading import (
    INSTANTIATOR,
    Trust,
    check_hyperparameters,
    load_checkpoint,
)


class ColorizationTask(Recorded, lightning.LightningModule):
    """A method with a generator: validation, test and prediction.

    A subclass implements `training_step` and `configure_optimizers`. Checkpoints say how to build
    the task, its networks and its losses, whether a configuration or Python has built them.

    Args:
        generator: Maps B x 3 x H x W (three noisy copies of the NIR band) in [-1, 1] to colors,
            B x 3 x H x W in [-1, 1], at any H and W.
    """

    trains_on: ClassVar[Literal["patches", "regions"]] = "patches"
    """What a training batch holds: patches, or one training region as a whole, each once."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.generator = generator
        self.step_values: dict[str, Tensor] = {}
        self.logs_step, self._logged_at = True, -math.inf
        self.val_metrics = colorization_metrics("val/")
        self.test_metrics = colorization_metrics("test/")

    def save_hyperparameters(self, *args: Any, **options: Any) -> None:
        """Save what the task was built with in checkpoints, in the form of a configuration."""
        options |= {"logger": False}
        if built_by_command_line():
            super().save_hyperparameters(*args, **options)
            return
        unknown = {
            k: v for k, v in self.recorded_arguments.items() if isinstance(v, UnknownArgumentsError)
        }
        for name, reason in unknown.items():
            rank_zero_warn(f"checkpoints will not hold {name!r} of {type(self).__name__}: {reason}")
        given = {k: v for k, v in self.recorded_arguments.items() if k not in unknown}
        given["_class_path"] = f"{type(self).__module__}.{type(self).__qualname__}"
        with hyperparameters(given, INSTANTIATOR):
            super().save_hyperparameters(*args, **options)

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls,
        checkpoint_path: str | Path,
        map_location: Any = None,
        *,
        trust: Trust = False,
        **options: Any,
    ) -> Self:
        """Build a task from a checkpoint, with its weights.

        Args:
            checkpoint_path: A file that `fit` has written.
            map_location: See `torch.load`.
            trust: Class paths of other packages that may be imported, which runs their code; True:
                whatever the file names.
            options: Lightning's, and arguments that replace those in the checkpoint.

        Raises:
            NirganError: It is not a checkpoint, or names classes that are not trusted.
        """
        file, own = Path(checkpoint_path), f"{cls.__module__}.{cls.__qualname__}"
        named = trust or [own]
        if not isinstance(named, bool):
            named = [own, *([named] if isinstance(named, str) else named)]
        remedy = "if you know it, pass trust=[it]"
        check_hyperparameters(load_checkpoint(file, mmap=True), file, named, remedy)
        use_other_names()  # Lightning parses with a parser of its own
        return super().load_from_checkpoint(file, map_location, **options | {"weights_only": True})

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Decide whether the values of this step are logged."""
        number, now = batches_begun(self.trainer), time.monotonic()
        every = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        self.logs_step = bool(every and number % every == 0) or now - self._logged_at >= 1
        if self.logs_step:
            self._logged_at = now

    def log_step(self, values: Mapping[str, Tensor | float], prog_bar: bool = False) -> None:
        """Log values of a training step, by name.

        Those of every `log_every_n_steps`-th step reach the log, and the progress bar is renewed
        once a second: Lightning takes about a millisecond for each value, which networks of a few
        milliseconds a step would feel. All are in `step_values`, where callbacks look.
        """
        self.step_values |= {
            name: value.detach() if isinstance(value, Tensor) else torch.tensor(value)
            for name, value in values.items()
        }
        if self.logs_step:
            self.log_dict({name: self.step_values[name] for name in values}, prog_bar=prog_bar)

    def forward(self, triplet: Tensor) -> Tensor:
        """Colorize: B x 3 x H x W in [-1, 1] to B x 3 x H x W in [-1, 1]."""
        return cast(Tensor, self.generator(triplet))

    def require_attributes(self, *names: str) -> None:
        """Check that the generator has the attributes that the task needs.

        Raises:
            NirganError: One is missing.
        """
        if missing := [name for name in names if not hasattr(self.generator, name)]:
            raise NirganError(
                f"model.generator: {type(self.generator).__name__} has no {missing[0]!r}, which "
                f"{type(self).__name__} needs; give it a generator made for it, as in conf/model"
            )

    @property
    def training_data(self) -> PatchDataModule:
        """The trainer's data module, of which a method only reads.

        Raises:
            NirganError: The trainer has loaders alone.
        """
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if data is None:
            raise NirganError(
                f"{type(self).__name__} looks at all training pictures before it learns: pass "
                "trainer.fit a PatchDataModule instead of loaders"
            )
        return cast(PatchDataModule, data)

    def run_fraction(self) -> float:
        """The fraction of the run that is done, 0 to 1, by its limit of epochs, steps or time.

        Call it on all ranks: their clocks differ, and the one that is ahead counts.

        Raises:
            NirganError: The run has no limit.
        """
        timer = next((c for c in self.trainer.callbacks if isinstance(c, Timer)), None)  # type: ignore[attr-defined]
        fractions = [0.0]
        if timer is not None and (left := timer.time_remaining()) is not None:
            spent = timer.time_elapsed()
            fractions.append(over_ranks(self.trainer, spent / (spent + left), "max"))
        done = batches_begun(self.trainer)
        if self.trainer.max_steps > 0:  # counts the steps of every optimizer, as global_step does
            fractions.append(self.trainer.global_step / self.trainer.max_steps)
        if (epochs := self.trainer.max_epochs) is not None and epochs > 0:
            fractions.append(done / (epochs * self.trainer.num_training_batches))
        if timer is None and not any(fractions):
            raise NirganError(
                "trainer.max_epochs is -1: a schedule has to know where the run ends; set "
                "trainer.max_epochs, trainer.max_steps or trainer.max_time"
            )
        return min(1.0, max(fractions))

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Evaluate patches; returns the pictures for callbacks, B x 3 x H x W in [0, 1]."""
        return {"rgb": self._judge(self.val_metrics, batch)}

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Evaluate whole regions."""
        self._judge(self.test_metrics, batch)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Colorize whole pictures; returns their names, and B x 3 x H x W in [0, 1]."""
        return {"names": batch["names"], "rgb": signed_to_unit(self(batch["triplet"]))}

    def _check_colors(self, signed: Tensor, truth: Tensor) -> None:
        name = f"model.generator: {type(self.generator).__name__}"
        if signed.shape != truth.shape:
            raise NirganError(
                f"{name} gave {tuple(signed.shape)}, expected {tuple(truth.shape)}: B x 3 x H x W, "
                "of the size of its input"
            )
        low, high = (value.item() for value in signed.float().aminmax())
        if max(-low, high) > 1 + RANGE_TOLERANCE:
            raise NirganError(
                f"{name} gave values from {low:.3g} to {high:.3g}, expected [-1, 1]; a Tanh at its "
                "end sees to that"
            )

    def _judge(self, metrics: MetricCollection, batch: Batch) -> Tensor:
        signed = self(batch["triplet"])
        if self.trainer.sanity_checking:
            self._check_colors(signed, batch["rgb"])
        output = signed_to_unit(signed)
        with torch.autocast(output.device.type, enabled=False):  # in bf16, SSIM is off by tenths
            # Some metrics of torchmetrics raise on channels-last tensors.
            metrics.update(output.contiguous(), signed_to_unit(batch["rgb"]).contiguous())
        # Like `log_dict`, with the monitored metric in the progress bar.
        for name, metric in metrics.items(keep_base=False, copy_state=False):
            shown = name == f"val/{MAIN}"
            self.log(name, metric, batch_size=len(batch["rgb"]), prog_bar=shown)
        return output
