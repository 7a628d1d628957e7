"""Runs of `fit` in processes of their own, which kill themselves at a point, or end."""

import os
import signal

from lightning.pytorch.callbacks import Callback
from processes import FORKING

NEVER = "never", 1


class Killer(Callback):
    """Kills its process at the `count`th event of a kind."""

    def __init__(self, kind, count):
        self.kind, self.left = kind, count

    def at(self, kind):
        self.left -= kind == self.kind
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_train_batch_start(self, *_):
        self.at("start of a batch")

    def on_train_batch_end(self, *_):
        self.at("end of a batch")

    def on_validation_batch_start(self, trainer, *_):
        if not trainer.sanity_checking:
            self.at("validation batch")


def run(arguments, point, environment):
    os.environ |= environment
    from nirgan.callbacks.checkpoint_io import AtomicCheckpointIO
    from nirgan.experiment.lightning_cli import fit

    killer = Killer(*point)
    write = AtomicCheckpointIO.save_checkpoint

    def watched(*args, **options):
        killer.at("before a checkpoint")
        write(*args, **options)
        killer.at("after a checkpoint")

    AtomicCheckpointIO.save_checkpoint = watched
    fit(arguments, [killer])


def start(arguments, point=NEVER, **environment):
    """Begin `fit` in a process that dies at an event such as ("start of a batch", 3)."""
    process = FORKING.Process(target=run, args=(arguments, point, environment))
    process.start()
    return process


def killed(arguments, point):
    """Fit until the point is reached."""
    process = start(arguments, point)
    process.join(120)
    assert process.exitcode == -signal.SIGKILL, point
