"""A deliberately leaky split is refused, and the scene named."""

import csv
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import SUITE
from PIL import Image

from nirgan.callbacks.data_integrity import DataIntegrity
from nirgan.cli.main import main
from nirgan.data.datamodule import PatchDataModule
from nirgan.data.leaks import refuse_leaks
from nirgan.data.patches import Region
from nirgan.data.sources.epfl import Epfl
from nirgan.errors import NirganError


@pytest.fixture
def epfl(tmp_path):
    """Ten urban pairs in EPFL's layout, two a fold, each a scene of its own."""
    folder = tmp_path / "epfl"
    (folder / "urban").mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(10):
        rgb = random.integers(0, 255, (96, 128, 3), dtype=np.uint8)
        Image.fromarray(rgb).save(folder / f"urban/{number:04}_rgb.png")
        Image.fromarray(rgb[..., 0]).save(folder / f"urban/{number:04}_nir.png")
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["category", "id", "scene", "registered", "fold"])
        for number in range(10):
            rows.writerow(["urban", f"{number:04}", number, 1, number % 5])
    return folder


def data(folder, protocol):
    module = PatchDataModule(Epfl(["urban"], folder), protocol, patch=32)
    module.prepare_data()
    module.setup()
    return module


def test_honest_splits_pass(epfl):
    for protocol in ("within-images", "across-scenes"):
        refuse_leaks(data(epfl, protocol))


def show_twice(folder):
    """Give two pairs the same pictures."""
    for band in ("rgb", "nir"):
        shutil.copy(folder / f"urban/0000_{band}.png", folder / f"urban/0001_{band}.png")


def test_the_benchmark_stops_with_the_name_of_a_planted_scene(epfl, tmp_path, capsys):
    show_twice(epfl)
    source = tmp_path / "data.yaml"
    source.write_text(
        f"source: {{class_path: Epfl, init_args: {{root: {epfl}}}}}\n"
        "patch: 32\nval_patches: 8\nbatch_size: 4\n"
    )
    arguments = [f"--config={SUITE}", f"--out={tmp_path / 'out'}", "--categories=[urban]"]
    arguments += [f"--data={source}", "--protocols=[across-scenes]", "--methods={}", "--compare=[]"]
    assert main(["benchmark", *arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    said = "scene 0: urban/0000 is judged, and urban/0001, which is trained on, holds the same"
    assert error.startswith(f"nirgan benchmark: {said}")
    assert not list((tmp_path / "out").glob("runs/**/result.json"))  # before any training


def test_a_pair_of_a_judged_scene_is_found(epfl):
    module = data(epfl, "across-scenes")
    judged = module.pairs[module.validation[0].pair]
    other = module.training[0].pair
    module.pairs[other] = type(judged)(**{**vars(module.pairs[other]), "scene": judged.scene})
    with pytest.raises(
        NirganError, match=f"scene {judged.scene}: {judged.name} is judged and urban/"
    ):
        refuse_leaks(module)


def test_the_same_picture_under_two_names_is_found_within_images_too(epfl):
    show_twice(epfl)
    with pytest.raises(
        NirganError, match=r"scene \d: urban/000\d is judged, and urban/000\d, which"
    ):
        refuse_leaks(data(epfl, "within-images"))


def test_a_run_that_is_no_benchmark_warns(epfl, recwarn):
    def said():
        module = data(epfl, "within-images")
        DataIntegrity().on_fit_start(SimpleNamespace(datamodule=module, is_global_zero=True), None)
        return [str(w.message) for w in recwarn if "what is judged may be" in str(w.message)]

    assert not said()
    show_twice(epfl)
    (line,) = said()
    assert "holds the same pictures; remove one" in line


def test_a_strip_that_a_training_region_touches_is_found(epfl):
    module = data(epfl, "within-images")
    strip = module.validation[3]
    module.training.append(Region(0, strip.right - 1, 96, strip.right + 39, strip.pair))
    with pytest.raises(NirganError, match="scene 3: urban/0003 is trained on in the pixels"):
        refuse_leaks(module)
