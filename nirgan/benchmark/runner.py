"""Runs a suite, each run once, in any number of processes, and resumes interrupted runs.

Every run has a folder. `result.json` appears there when the run is finished. While a process does
the run it holds an advisory lock, which the system releases if the process dies.
"""

import json
import math
import shlex
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from tifffile import imwrite
from torch import Tensor

from nirgan.benchmark.progress import SuiteProgress
from nirgan.benchmark.suite import BASELINE_METHODS, Run, Suite
from nirgan.callbacks.checkpoint_io import newest_complete
from nirgan.callbacks.throughput import patches_seen
from nirgan.data.leaks import refuse_leaks
from nirgan.errors import NirganError, StoppedError
from nirgan.evaluation.evaluate import judge
from nirgan.evaluation.figure_samples import draw_samples
from nirgan.evaluation.provenance import commit, provenance
from nirgan.experiment.lightning_cli import fit
from nirgan.metrics import MAIN
from nirgan.tasks.base import ColorizationTask
from nirgan.utils.atomic_write import make_folder, write_json, write_text
from nirgan.utils.paths import relative_path

FIGURE_PATCHES = 4
"""Patches of each category in figures."""

POLL_S = 2.0
"""Seconds between checks of runs that another process is doing."""


def run_all(
    suite: Suite,
    runs: Sequence[Run],
    out: Path,
    progress: SuiteProgress,
    after: Callable[[], object],
) -> dict[str, Exception]:
    """Do all unfinished runs, and wait for those that other processes are doing.

    `after` is called after each run that this process has done.

    Returns:
        Why runs failed, by their keys; each has the traceback in `failed.txt` in its folder.

    Raises:
        NirganError: The data or a split cannot be used, as the methods that know nothing show.
        StoppedError: A signal has stopped a run.
    """
    commit()  # cached before another one is checked out
    failed: dict[str, Exception] = {}
    while pending := [r for r in runs if r.key not in failed and not finished(suite, out, r)]:
        done = 0
        for run in pending:
            folder = out / "runs" / run.key
            make_folder(folder)
            try:
                with FileLock(folder / "lock", timeout=0):
                    if finished(suite, out, run):
                        continue
                    progress.start(run)
                    try:
                        _run(suite, run, folder, progress)
                    except StoppedError as stopped:  # not a failure, and not of this run alone
                        why = f"stopped by a signal in {run}; the same command goes on"
                        raise StoppedError(why, stopped.status) from None
                    except Exception as error:
                        if isinstance(error, NirganError) and run.method in BASELINE_METHODS:
                            raise
                        write_text(folder / "failed.txt", traceback.format_exc())
                        failed[run.key] = error
                    progress.finish(failed=run.key in failed)
                    done += 1
                    after()
            except Timeout:
                continue  # another process is doing it
        if not done:
            time.sleep(POLL_S)
    return failed


def finished(suite: Suite, out: Path, run: Run) -> bool:
    """Whether a run has all the results that the suite asks for."""
    folder = out / "runs" / run.key
    outputs = not suite.save_outputs or (folder / "outputs").is_dir()
    return outputs and (folder / "result.json").exists()


def samples_file(folder: Path, category: str) -> Path:
    """The file, in a run's folder, of what figures show of a category that it is judged on."""
    return folder / f"shown-{category}.npz"


def load_result(out: Path, run: Run) -> dict[str, Any] | None:
    """The result of a run, or None if it is not finished; sums that are null are nan."""
    file = out / "runs" / run.key / "result.json"
    if not file.exists():
        return None
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    for image in loaded["images"]:
        pairs = image["sums"].items()
        image["sums"] = {name: np.array(pair, float).tolist() for name, pair in pairs}
    return loaded


class RunRecorder(Callback):
    """Refuses a split that leaks, records the learning curve and reports progress."""

    state_key = "Watch"
    """Key in checkpoints: the first name of this class."""

    def __init__(self, progress: SuiteProgress) -> None:
        self.progress = progress
        self.history: list[tuple[int, float]] = []
        self.seconds = 0.0
        self._since = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a split that leaks, before any batch is drawn."""
        refuse_leaks(trainer.datamodule)  # type: ignore[attr-defined]
        self._since = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Report progress."""
        if isinstance(pl_module, ColorizationTask):
            self.progress.advance(pl_module.run_fraction())

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add a point to the learning curve."""
        error = trainer.callback_metrics[f"val/{MAIN}"].item()
        self.history.append((patches_seen(trainer), error))

    def state_dict(self) -> dict[str, Any]:
        """The curve and the time spent, for checkpoints."""
        spent = self.seconds + time.monotonic() - self._since
        return {"history": self.history, "seconds": spent}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both in a resumed run."""
        self.history = [tuple(point) for point in state_dict["history"]]
        self.seconds = state_dict["seconds"]


def _run(suite: Suite, run: Run, folder: Path, progress: SuiteProgress) -> None:
    watch = RunRecorder(progress)
    # A result without the outputs that are wanted now is removed, even if this run is cut short.
    (folder / "result.json").unlink(missing_ok=True)
    place = f"--trainer.default_root_dir={relative_path(folder)}"
    newest = newest_complete(folder.glob("fit/version_*/checkpoints/last.ckpt"))
    resume = [] if newest is None else [f"--ckpt_path={newest}"]
    cli = fit([*run.arguments, place, *resume], [watch])
    device = cli.trainer.strategy.root_device  # Lightning has moved the network off it
    task, data = cli.model.eval().to(device), cli.datamodule
    seconds = watch.state_dict()["seconds"]

    def keep(name: str, picture: Tensor) -> None:
        if suite.save_outputs:
            write_tiff(folder / "outputs" / f"{name}.tiff", picture)

    data.snapshot.check()
    images = list(judge(task, data.validation_regions(), data, device, keep))
    patches = math.ceil(FIGURE_PATCHES / len(suite.folds_of(run.protocol)))
    for category in suite.judged_on(run):
        shown = draw_samples(task, data, patches, device, category)
        shown.save(samples_file(folder, category))
    scenes = {pair.name: pair.scene for pair in data.pairs}
    result = {
        "method": run.method,
        "category": run.category,
        "protocol": run.protocol,
        "fold": run.fold,
        "seed": run.seed,
        "command": shlex.join(["python", "-m", "nirgan", "fit", *run.arguments]),
        "configuration": run.configured(),
        "patches_seen": patches_seen(cli.trainer),
        "parameters": sum(p.numel() for p in task.generator.parameters()),
        "seconds": round(seconds, 3),
        "history": watch.history,
        "images": [asdict(score) | {"scene": scenes[score.name]} for score in images],
        **provenance(device),
    }
    write_json(folder / "result.json", result)
    (folder / "failed.txt").unlink(missing_ok=True)


def write_tiff(file: Path, picture: Tensor) -> None:
    """Write a picture, 3 x H x W in [0, 1], as float32."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = picture.permute(1, 2, 0).float().cpu().numpy()
    imwrite(file, pixels, photometric="rgb", compression="lzw")
