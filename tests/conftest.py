import json
import logging
import os
import shutil
import signal
import sys
from pathlib import Path

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # with two threads each, processes slow each other down

import numpy as np
import pytest
import torch
from PIL import Image

torch.set_num_threads(1)
# What a shell starts in the background is deaf to Ctrl-C, and so are its children.
signal.signal(signal.SIGINT, signal.default_int_handler)
logging.raiseExceptions = False  # Lightning's handler keeps a stream that pytest has closed

ROOT = Path(__file__).parent.parent
SUITE = ROOT / "tests/conf/benchmark.yaml"


MISSING = {
    "data": not os.environ.get("NIRGAN_DATA") and "NIRGAN_DATA does not name the real pairs",
    "gpu": not torch.cuda.is_available() and "there is no CUDA device",
    "linux": sys.platform != "linux" and "Linux alone says that of a process",
    "posix": os.name != "posix" and "Windows lacks what this needs",
}
"""By marker: why its tests are skipped here, if they are."""


def pytest_collection_modifyitems(items):
    # What one process must do in a row comes first: at the end, the other would wait for it.
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)
    for item in items:
        for marker, reason in MISSING.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _own_store(tmp_path_factory, monkeypatch):
    """One store for the whole run, apart from the user's."""
    monkeypatch.setenv("NIRGAN_CACHE", str(tmp_path_factory.getbasetemp() / "store"))


def draw_pairs(folder, count):
    """Pairs of smooth random colors, 96 x 128; NIR is their mean."""
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = rng.integers(30, 220, (3, 4, 3), dtype=np.uint8)
        rgb = np.asarray(Image.fromarray(coarse).resize((128, 96), Image.Resampling.BICUBIC))
        Image.fromarray(rgb).save(folder / f"{number}_rgb.png")
        Image.fromarray(rgb.mean(2).astype(np.uint8)).save(folder / f"{number}_nir.png")


@pytest.fixture
def pair_folder(tmp_path):
    draw_pairs(tmp_path, 6)
    return tmp_path


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a small benchmark."""
    from nirgan.cli.main import main

    out = tmp_path_factory.mktemp("benchmark")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIRGAN_CACHE", str(tmp_path_factory.getbasetemp() / "store"))
        assert main(["benchmark", f"--config={SUITE}", f"--out={out}", "--save_outputs=true"]) == 0
    return out


@pytest.fixture(scope="session")
def results(finished):
    return json.loads((finished / "results.json").read_text())


@pytest.fixture
def begun(finished, tmp_path):
    """A copy of the finished benchmark, in which some runs are to be done."""

    def copied(*undone, name="begun"):
        out = tmp_path / name
        shutil.copytree(finished, out)
        for folder in {folder for one in undone for folder in out.glob(f"runs/street/{one}")}:
            shutil.rmtree(folder)
        return out

    return copied
