"""Weights & Biases beside a run, never in its way.

A server that cannot be reached, refuses the key or dies costs a run what it would have shown there,
and a minute; the history on disk goes on.
"""

import os
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only

from nirgan.errors import NirganError

TIMEOUTS_S = {
    "WANDB_INIT_TIMEOUT": "30",
    "WANDB_LOGIN_TIMEOUT": "60",
    "WANDB_FINISH_TIMEOUT": "30",
    "WANDB_FINISH_TIMEOUT_RAISES": "true",
}
"""Seconds for the server to begin, for a person to answer, and for the server to take the rest; W&B
itself would wait 90, and twice for ever. A person's own settings stand."""


class OfflineFallbackWandbLogger(WandbLogger):
    """Lightning's logger; a run that cannot be shown is kept on disk and goes on.

    Lightning's leaves the run open to the end of the process, where nobody tells what a dead server
    did not take, and where a second run of the process would be logged into the first.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, value in TIMEOUTS_S.items():
            os.environ.setdefault(name, value)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The run, begun where there is none yet.

        Raises:
            NirganError: W&B cannot even begin one offline.
        """
        if self._experiment is None:
            self._begin()
        return super().experiment

    def _begin(self) -> None:
        import wandb  # noqa: PLC0415 (an extra)

        try:
            _ = super().experiment
        except wandb.Error as error:
            run = self._offline_run()
            rank_zero_info(
                f"Weights & Biases shows nothing of this run: {_line(error)}. It is kept in "
                f"{_folder(run)} and metrics.csv; send it later with `wandb sync {_folder(run)}`."
            )

    def _offline_run(self) -> Any:
        import wandb  # noqa: PLC0415 (an extra)

        settings = wandb.setup().settings  # the environment is not read again
        before, settings.mode = settings.mode, "offline"
        try:
            return super().experiment
        except wandb.Error as error:
            raise NirganError(f"trainer.logger: Weights & Biases: {_line(error)}") from error
        finally:
            settings.mode = before

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End the run; what the server did not take is said once."""
        super().finalize(status)
        if (run := self._experiment) is None:
            return
        folder = _folder(run)
        try:
            run.finish(exit_code=int(status == "failed"))
        except TimeoutError:
            rank_zero_info(
                "Weights & Biases no longer answers and does not show all of this run. metrics.csv "
                f"and {folder} are whole; send the rest later with "
                f"`wandb sync --include-online {folder}`."
            )
        # Whoever goes on with this trainer goes on with this run.
        self._experiment, self._wandb_init["id"] = None, run.id


def _line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")


def _folder(run: Any) -> Path:
    return Path(run.dir).parent
