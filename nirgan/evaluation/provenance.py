"""Records how results were made."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import nirgan

CLONE = Path(__file__).parents[2]
"""The folder that the package is in."""


def provenance(device: torch.device) -> dict[str, Any]:
    """Commit, versions, machine and time, as `results.json` records them."""
    libraries = ("torch", "lightning", "torchmetrics", "numpy")
    return {
        "commit": commit(),
        "versions": {"nirgan": nirgan.__version__} | {name: version(name) for name in libraries},
        "machine": f"{platform.machine()}, {_processor(device)}, {platform.system()}",
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def versions() -> str:
    """What a report of an error should say: versions, and the device that training takes."""
    # That torch was built for one is not enough, and training takes no GPU of Apple's.
    there = torch.accelerator.is_available() and not torch.backends.mps.is_available()
    device = (torch.accelerator.current_accelerator() if there else None) or torch.device("cpu")
    return (
        f"nirgan {nirgan.__version__}, commit {commit()}\n"
        f"torch {torch.__version__}\n"
        f"lightning {version('lightning')}\n"
        f"Python {platform.python_version()}, {platform.platform()}\n"
        f"device {device.type}, {_processor(device)}"
    )


def _processor(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"


@cache
def commit() -> str:
    """The commit of the code that runs, `+` where it was changed since; or `unknown`."""
    if not (CLONE / ".git").exists():  # installed, perhaps within a repository of someone else's
        return "unknown"
    ask = ["git", "describe", "--always", "--abbrev=10", "--exclude=*", "--dirty=+"]
    try:
        answer = subprocess.run(ask, cwd=CLONE, capture_output=True, text=True, check=False)
    except OSError:  # git is not installed
        return "unknown"
    return answer.stdout.strip() or "unknown"
