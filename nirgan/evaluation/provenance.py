"""Where figures come from."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch


def provenance(device: torch.device) -> dict[str, Any]:
    """Where figures come from: commit, versions, machine and day."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    threads = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    packages = ("nirgan", "torch", "lightning", "torchmetrics", "numpy")
    return {
        "commit": commit(),
        "versions": {package: version(package) for package in packages},
        "machine": f"{platform.machine()}, {gpu or threads}, {platform.system()}",
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@cache
def commit() -> str:
    """The commit of the code that runs, `+` where it was changed since; or `unknown`."""
    here = Path(__file__).parent
    ask = ["git", "describe", "--always", "--abbrev=10", "--exclude=*", "--dirty=+"]
    try:
        answer = subprocess.run(ask, cwd=here, capture_output=True, text=True, check=False)
    except OSError:  # git is not installed
        return "unknown"
    return answer.stdout.strip() or "unknown"
