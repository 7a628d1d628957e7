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


def run(arguments, point, environment):
    os.environ |= environment
    from nirgan.experiment.lightning_cli import fit

    fit(arguments, [watching(point)])


def benchmark(arguments, point, environment):
    os.environ |= environment
    from nirgan.cli.main import main

    watching(point)
    main(["benchmark", *arguments])


def watching(point):
    from nirgan.callbacks.checkpoint_io import AtomicCheckpointIO

    killer = Killer(*point)
    write = AtomicCheckpointIO.save_checkpoint

    def watched(*args, **options):
        killer.at("before a checkpoint")
        write(*args, **options)
        killer.at("after a checkpoint")

    AtomicCheckpointIO.save_checkpoint = watched
    return killer


def start(arguments, point=NEVER, verb=run, **environment):
    """Begin a verb in a process that dies at an event such as ("start of a batch", 3)."""
    process = FORKING.Process(target=verb, args=(arguments, point, environment))
    process.start()
    return process


def killed(arguments, point, verb=run):
    """Fit, or run a benchmark, until the point is reached."""
    process = start(arguments, point, verb)
    process.join(120)
    assert process.exitcode == -signal.SIGKILL, point
