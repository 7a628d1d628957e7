"""The best of a run's validations."""

import os
import shutil
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_warn

from nirgan.errors import NirganError


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best checkpoint; a resumed run begins with what the former one found.

    Lightning forgets it where the folder is another, as it is here. The files are copied, so that
    either run may replace its own.
    """

    _former: dict[str, Any] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Agree on the folder.

        Raises:
            NirganError: It is to look between validations, where there is nothing new to judge by.
        """
        for option, set_, instead in (
            ("every_n_train_steps", self._every_n_train_steps, "last.every_batches"),
            ("train_time_interval", self._train_time_interval, "last.every_minutes"),
        ):
            if set_:
                raise NirganError(
                    f"checkpoint.{option}: the best is looked for after validations alone; set "
                    f"{instead} to keep the newest state in between"
                )
        super().setup(trainer, pl_module, stage)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep it for `on_fit_start`: no other verb needs the files."""
        self._former = state_dict

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over the former run's best."""
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
        # Of the files that a killed run has removed since, the same will happen again.
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
        """Where a file of the former run now is, or `` if it is not there any more.

        The paths are the checkpoint's, whoever made it: nothing is written outside the folder.
        """
        name = os.path.relpath(former, folder)
        if ".." in Path(name).parts or Path(name).suffix != ".ckpt":
            return ""
        beside = Path(str(trainer.ckpt_path)).parent / name  # the run may have been moved
        found = next((file for file in (Path(former), beside) if file.is_file()), None)
        if found is None:
            return ""
        file = Path(str(self.dirpath)) / name
        if trainer.is_global_zero and file != found:
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_name(f"{file.name}.part")
            shutil.copy2(found, part)  # its age too: `--ckpt_path last` takes the newest
            part.replace(file)
        return str(file)
