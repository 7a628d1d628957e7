"""The checkpoint with the best validation metric, kept across resumed runs."""

import shutil
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_warn

from nirgan.errors import NirganError
from nirgan.utils.atomic_write import atomic_write
from nirgan.utils.lightning_internals import intervals_within_epoch
from nirgan.utils.paths import relative_path


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best checkpoint; a resumed run starts from the best one of the run before it.

    Lightning drops it if the folder changes, and every run has a folder of its own here. The files
    are copied, so that both runs can replace theirs.
    """

    _former: dict[str, Any] | None = None

    @property
    def state_key(self) -> str:
        """The key of the state in checkpoints; kept from when this class was called `Best`."""
        return super().state_key.replace("BestCheckpoint{", "Best{", 1)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the options.

        Raises:
            NirganError: An option asks for checkpoints between validations, where no new metric is.
        """
        steps, time = intervals_within_epoch(self)
        for option, set_, instead in (
            ("every_n_train_steps", steps, "last.every_batches"),
            ("train_time_interval", time, "last.every_minutes"),
        ):
            if set_:
                raise NirganError(
                    f"checkpoint.{option}: the best is looked for after validations alone; set "
                    f"{instead} to keep the newest state in between"
                )
        super().setup(trainer, pl_module, stage)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Store the state for `on_fit_start`; only `fit` needs the files."""
        self._former = state_dict

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over the best checkpoint of the run that is resumed."""
        if self._former is not None:
            super().load_state_dict(self._moved(self._former, trainer))
            self.current_score = self._former["current_score"]

    def _moved(self, state: dict[str, Any], trainer: Trainer) -> dict[str, Any]:
        former = {path for path in (*state["best_k_models"], state["best_model_path"]) if path}
        places = {path: self._copied(path, state["dirpath"], trainer) for path in former}
        trainer.strategy.barrier()
        if former and not any(places.values()):
            rank_zero_warn(f"{min(former)} is not there: the best is looked for from here on")
        scores = {places[p]: score for p, score in state["best_k_models"].items() if places[p]}
        # A killed run may have removed its best file since; take the best of those that are left.
        best = places.get(state["best_model_path"], "")
        if scores and not best:
            best = (min if self.mode == "min" else max)(scores, key=lambda path: scores[path])
        return state | {
            "dirpath": self.dirpath,
            "best_k_models": scores,
            "best_model_path": best,
            "best_model_score": scores.get(best),
            "kth_best_model_path": places.get(state["kth_best_model_path"], ""),
            "last_model_path": "",
        }

    def _copied(self, former: str, folder: str, trainer: Trainer) -> str:
        """The path of the copy of a file of the former run, or an empty string if it is gone.

        The paths come from the checkpoint, which may be anyone's: nothing is written outside of
        the folder.
        """
        name = relative_path(former, folder)
        if ".." in Path(name).parts or Path(name).is_absolute() or Path(name).suffix != ".ckpt":
            return ""
        beside = Path(str(trainer.ckpt_path)).parent / name  # the run may have been moved
        found = next((file for file in (Path(former), beside) if file.is_file()), None)
        if found is None:
            return ""
        file = Path(str(self.dirpath)) / name
        if trainer.is_global_zero and file != found:
            with atomic_write(file) as part:
                shutil.copy2(found, part)  # its age too: `--ckpt_path last` takes the newest
        return str(file)
