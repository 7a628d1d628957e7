"""A Weights & Biases logger whose failures do not stop a run.

If the server cannot be reached, refuses the key or dies, the run loses a minute and is logged
offline; `metrics.csv` is written in any case.
"""

import os
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only

from nirgan.errors import NirganError
from nirgan.utils.lightning_internals import take_wandb_run

TIMEOUTS_S = {
    "WANDB_INIT_TIMEOUT": "30",
    "WANDB_LOGIN_TIMEOUT": "60",
    "WANDB_FINISH_TIMEOUT": "30",
    "WANDB_FINISH_TIMEOUT_RAISES": "true",
}
"""Timeouts in seconds of starting a run, of logging in and of finishing; W&B's own are 90, none and
none. They do not replace environment variables that are set."""


class OfflineFallbackWandbLogger(WandbLogger):
    """Lightning's logger, which falls back to an offline run and finishes each run.

    Lightning's own leaves the run open until the process exits: what a dead server did not receive
    is not reported, and a second run in the process is logged into the first.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, value in TIMEOUTS_S.items():
            os.environ.setdefault(name, value)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The W&B run, started if there is none.

        Raises:
            NirganError: W&B cannot start a run, not even offline.
        """
        import wandb  # noqa: PLC0415 (half a second)

        try:
            return super().experiment
        except wandb.Error as error:
            run = self._offline_run()
            rank_zero_info(
                f"Weights & Biases shows nothing of this run: {_line(error)}. It is kept in "
                f"{_folder(run)} and metrics.csv; send it later with `wandb sync {_folder(run)}`."
            )
            return run

    def _offline_run(self) -> Any:
        import wandb  # noqa: PLC0415 (half a second)

        settings = wandb.setup().settings  # changed here, since the environment is read only once
        before, settings.mode = settings.mode, "offline"
        try:
            return super().experiment
        except wandb.Error as error:
            raise NirganError(f"trainer.logger: Weights & Biases: {_line(error)}") from error
        finally:
            settings.mode = before

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Finish the run, and report what the server did not receive."""
        super().finalize(status)
        run = take_wandb_run(self)  # a further fit with this trainer continues it
        if run is None:
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


def _line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")


def _folder(run: Any) -> Path:
    return Path(run.dir).parent
