"""The command line in processes of its own, forked from one that has imported what they need.

To start Python and import torch and Lightning takes seconds, which a test need not wait for.
"""

import atexit
import json
import math
import os
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp

import psutil

MAIN = str(Path(__file__).parent.parent / "nirgan/__main__.py")
FORKING = get_context("forkserver" if os.name == "posix" else "spawn")
if os.name == "posix":
    FORKING.set_forkserver_preload(["nirgan.cli.main", "nirgan.experiment.lightning_cli"])


class Nirgan:
    """`python -m nirgan`, begun; as much of `subprocess.Popen` as tests ask for."""

    def __init__(self, *words):
        self.out, self.err = (Path(mkdtemp()) / name for name in ("out", "err"))
        arguments = [str(word) for word in words]
        streams = str(self.out), str(self.err)
        self.process = FORKING.Process(
            target=_main, args=(arguments, streams, dict(os.environ), str(Path.cwd()))
        )
        self.process.start()

    def poll(self):
        return self.process.exitcode

    def wait(self, timeout=None):
        self.process.join(timeout)
        assert self.process.exitcode is not None, self.said()
        return self.process.exitcode

    def communicate(self, timeout=None):
        """What it has said when it and all that it has started have ended."""
        self.wait(timeout)
        deadline = time.monotonic() + (timeout or math.inf)
        while left := [p for p in psutil.pids() if _session(p) == self.process.pid]:
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
        return self.said()

    def said(self):
        return tuple(file.read_text() if file.exists() else "" for file in (self.out, self.err))

    def send_signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        self.process.kill()

    @property
    def returncode(self):
        return self.process.exitcode


class ForkedWorker:
    """A worker of a sweep, begun; as much of `subprocess.Popen` as the sweep asks for."""

    def __init__(self, command, **_):
        self.process = FORKING.Process(target=_work, args=(command[-1], dict(os.environ)))
        self.process.start()
        self.terminate = self.process.terminate

    def poll(self):
        return self.process.exitcode

    def wait(self):
        self.process.join()


def _work(plan, environment):
    os.environ.clear()
    os.environ.update(environment)
    from nirgan.sweeps.worker import work

    work(*json.loads(plan))


def _session(process):
    try:
        return os.getsid(process)
    except ProcessLookupError:
        return None


def _main(arguments, streams, environment, folder):
    for file, number in zip(streams, (1, 2), strict=True):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT)
        os.dup2(handle, number)
    if os.name == "posix":
        os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [MAIN, *arguments]  # which Lightning starts for a second rank
    from nirgan.cli.main import main

    try:
        sys.exit(main(arguments))
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves without
