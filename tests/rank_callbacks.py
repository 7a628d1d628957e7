"""What tests hang into runs from outside, by `--trainer.callbacks` and `--data.source`."""

import hashlib
import json
import os
import time
from pathlib import Path

from lightning.pytorch.callbacks import Callback

from nirgan.callbacks import distributed_teardown
from nirgan.data.sources.base import FilePair
from nirgan.data.sources.folder import Folder


class Fails(Callback):
    """On one rank, at the second batch; another is stuck where nothing reaches it."""

    def __init__(self, rank: int, folder: str):
        self.rank, self.folder = rank, Path(folder)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch_idx != 1:
            return
        distributed_teardown.RANK_TIMEOUT_S = 1.0
        if trainer.global_rank == self.rank:
            (self.folder / "failing").touch()
            raise RuntimeError(f"rank {self.rank} has lost its way")
        time.sleep(600)


class Kills(Callback):
    """Sends this process, or its whole group, a signal when a hook has been called some times."""

    def __init__(self, hook: str, call: int, number: int, group: bool = False):
        self.left, self.number = call, number
        self.kill = os.killpg if group else os.kill
        setattr(self, hook, self._called)

    def _called(self, *_, **__):
        self.left -= 1
        if not self.left:
            self.kill(os.getpid(), self.number)


class Tells(Callback):
    """Leaves files: `batch` after the first batch; each rank's metrics, the number of pictures that
    it has judged in a validation, and a hash of its parameters at the end."""

    def __init__(self, folder: str):
        self.folder = Path(folder)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        (self.folder / f"batch-{trainer.global_rank}").touch()

    def on_train_end(self, trainer, pl_module):
        digest = hashlib.sha256()
        for parameter in pl_module.parameters():
            digest.update(parameter.detach().numpy().tobytes())
        (self.folder / f"hash-{trainer.global_rank}").write_text(digest.hexdigest())
        (self.folder / f"run-{trainer.global_rank}").write_text(trainer.loggers[0].log_dir)

    def on_test_end(self, trainer, pl_module):
        metrics = {name: value.item() for name, value in trainer.callback_metrics.items()}
        (self.folder / f"test-{trainer.global_rank}.json").write_text(json.dumps(metrics))

    def on_validation_start(self, trainer, pl_module):
        self.judged = 0

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.judged += len(batch["rgb"])

    def on_validation_end(self, trainer, pl_module):
        (self.folder / f"judged-{trainer.global_rank}").write_text(str(self.judged))
        metrics = {n: v.item() for n, v in trainer.callback_metrics.items() if n.startswith("val/")}
        (self.folder / f"val-{trainer.global_rank}.json").write_text(json.dumps(metrics))


class Counted(FilePair):
    """Notes every decoding in a file beside."""

    def load(self):
        with Path(self.nir).with_name("decoded").open("a") as notes:
            notes.write(f"{self.id}\n")
        return super().load()


class CountedFolder(Folder):
    def pairs(self):
        return [Counted(**vars(pair)) for pair in super().pairs()]
