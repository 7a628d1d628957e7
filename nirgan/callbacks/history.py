"""Writes `metrics.csv`, and continues it in resumed runs."""

import csv
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.utilities import rank_zero_only

from nirgan.errors import NirganError
from nirgan.utils.atomic_write import atomic_write


class AtomicCSVWriter(ExperimentWriter):
    """Lightning's writer, but the file is replaced atomically when a column is added."""

    def save(self) -> None:
        """Write the rows that are not in the file yet."""
        file = Path(self.metrics_file_path)
        columns = sorted({*self.metrics_keys}.union(*self.metrics))
        if columns != self.metrics_keys and file.is_file():
            with (
                atomic_write(file) as part,
                file.open(newline="") as lines,
                part.open("w", newline="") as out,
            ):
                writer = csv.DictWriter(out, columns)
                writer.writeheader()
                writer.writerows(csv.DictReader(lines))
        self.metrics_keys = columns  # so that Lightning finds no new one
        super().save()


class HistoryLogger(CSVLogger):
    """Lightning's logger to CSV, in a folder that is this run's alone.

    Lightning's looks for a free number and makes the folder much later, so that runs started
    together share one. It can begin with rows of another run.
    """

    rows = 0
    """Logged so far, on rank 0."""
    writer: AtomicCSVWriter | None = None

    def __init__(
        self,
        save_dir: str | Path,
        name: str | None = "lightning_logs",
        version: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(save_dir, name, **kwargs)
        self.claimed = version

    @property
    def version(self) -> int | str:
        """The number of the run's folder `version_N`, claimed when it is first asked for."""
        if self.claimed is None:
            self.claimed = self._claim()
        return self.claimed

    def _claim(self) -> int:
        """A number that no run has; the first rank makes its folder."""
        runs = Path(self.root_dir)
        try:
            if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
                runs.mkdir(parents=True, exist_ok=True)
            version = int(super().version)  # the first that is free
            while rank_zero_only.rank == 0:  # type: ignore[attr-defined]
                with suppress(FileExistsError):  # another run was faster
                    (runs / f"version_{version}").mkdir()
                    break
                version += 1
        except OSError as error:
            raise NirganError(
                f"{runs}: the folder of results cannot be made "
                f"({error.strerror or error}); set trainer.default_root_dir to another"
            ) from error
        return version

    @property
    @rank_zero_experiment
    def experiment(self) -> ExperimentWriter:
        """The writer of `metrics.csv`."""
        if self.writer is None:
            self.writer = AtomicCSVWriter(self.log_dir)
        return self.writer

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        """Log a row."""
        super().log_metrics(metrics, step)
        self.rows += 1

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the remaining rows; remove the folder of a failed run if it is empty."""
        if self.writer is not None:
            self.save()
        if status == "failed":
            with suppress(OSError):  # it holds something
                Path(self.log_dir).rmdir()

    @rank_zero_only
    def copy_rows(self, file: Path, rows: int) -> None:
        """Start with the first rows of another `metrics.csv`, if it has as many."""
        if not file.is_file():
            return
        with file.open(newline="") as lines:
            former = list(islice(csv.DictReader(lines), rows))
        if len(former) == rows:
            self.experiment.metrics = [{k: v for k, v in row.items() if v} for row in former]
            self.rows = rows
            self.save()


class History(Callback):
    """Saves in each checkpoint how many rows came before it; Lightning writes each at once.

    A resumed run copies those rows, not later ones of the former run, which it logs again.
    """

    _rows = 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Broadcast the folder that rank 0 has claimed."""
        for logger in _histories(trainer):
            logger.claimed = trainer.strategy.broadcast(logger.version)

    def on_save_checkpoint(self, trainer: Trainer, _: Any, checkpoint: dict[str, Any]) -> None:
        """Save the number of rows logged so far."""
        checkpoint["history_rows"] = sum(logger.rows for logger in _histories(trainer))

    def on_load_checkpoint(self, trainer: Trainer, _: Any, checkpoint: dict[str, Any]) -> None:
        """Read how many rows the checkpoint's run had logged."""
        self._rows = checkpoint.get("history_rows", 0)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy those rows, if the checkpoint is still in its run's folder."""
        if self._rows:
            former = Path(str(trainer.ckpt_path)).parent.parent / AtomicCSVWriter.NAME_METRICS_FILE
            for logger in _histories(trainer):
                logger.copy_rows(former, self._rows)


def _histories(trainer: Trainer) -> list[HistoryLogger]:
    return [logger for logger in trainer.loggers if isinstance(logger, HistoryLogger)]
