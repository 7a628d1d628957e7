"""The verb on a small suite: what it leaves, and that it never does a thing twice."""

import csv
import json
import signal

import cv2
import numpy as np
import pytest
import torch
from conftest import ROOT, SUITE
from jsonargparse.typing import Path_fr
from killing import benchmark, killed
from PIL import Image
from processes import Nirgan

from nirgan.benchmark import costs as costs_of_methods
from nirgan.benchmark.costs import StepTimer
from nirgan.benchmark.runner import RunRecorder
from nirgan.benchmark.tables import budget
from nirgan.cli.main import main
from nirgan.data.sources.synthetic import Synthetic
from nirgan.errors import NirganError
from nirgan.metrics import METRICS

pytestmark = pytest.mark.xdist_group("benchmark")  # one process makes `finished`

METHODS = ["NIR copied to grey", "mean color", "NIR to RGB table", "flat", "triplet"]
RATIOS = [name for name in METRICS if name != "undefined_pixels"]
RUNS = 3 * 3 + 2 * (2 + 2)
"""Three baselines on three splits; two methods with two seeds on one, and with one on two folds."""


def table(results, protocol):
    return next(t for t in results["tables"] if t["protocol"] == protocol)


def test_every_table_has_every_row_and_those_that_nobody_asked_for(results):
    assert results["runs_finished"] == results["runs_in_all"] == RUNS
    for protocol, seeds in (("within-images", 2), ("across-scenes", 1)):
        rows = table(results, protocol)["rows"]
        assert [row["method"] for row in rows] == METHODS
        assert [len(row["angular_error_of_seeds"]) for row in rows] == [1, 1, 1, seeds, seeds]
        assert [row["published"] for row in rows] == [None, None, None, 6.15, 5.94]
        assert [row["patches_seen"] for row in rows][3:] == [24, 24]


def test_every_run_says_where_its_figures_come_from(finished, results):
    for run in results["runs"]:
        assert run["command"].startswith("python -m nirgan fit --name=fit --model=")
        assert "default_root_dir" not in run["command"]  # wherever it was run
        assert {"torch", "lightning", "nirgan"} <= run["versions"].keys()
        assert run["commit"]
        assert run["machine"]
        assert run["seconds"] > 0
        trained = run["method"] in ("flat", "triplet")
        assert [patches for patches, _ in run["history"]][-1] == run["patches_seen"]
        assert len(run["history"]) == (3 if trained else 1)
    for file in finished.glob("runs/**/result.json"):
        run = json.loads(file.read_text())
        kept = run["configuration"]
        assert kept["seed_everything"] == kept["data"]["seed"] == run["seed"]
        assert (kept["data"]["protocol"], kept["data"]["fold"]) == (run["protocol"], run["fold"])
    triplet = results["configurations"]["street"]["triplet"]
    assert triplet["model"]["init_args"]["generator"]["init_args"]["widths"] == [4, 4]
    assert triplet["data"]["train_patches"] == 8


def test_the_tables_equal_what_a_few_lines_of_numpy_make_of_the_saved_pictures(finished, results):
    pairs = {pair.name: pair for pair in Synthetic(10, (96, 128), ["street"]).pairs()}
    rows = {row["method"]: row for row in table(results, "across-scenes")["rows"]}
    for method, slug in (("triplet", "triplet"), ("mean color", "mean-color")):
        angles, left_out = [], 0
        files = sorted(finished.glob(f"runs/street/across-scenes-fold*/{slug}/*/outputs/**/*.tiff"))
        assert len(files) == 4
        for file in files:
            rgb = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)[..., ::-1].astype(np.float64)
            truth = pairs[f"street/{file.stem}"].load()[1].astype(np.float64)
            dot = (rgb * truth).sum(2)
            norm = np.linalg.norm(rgb, axis=2) * np.linalg.norm(truth, axis=2)
            angles.append(np.degrees(np.arccos(np.clip(dot[norm > 0] / norm[norm > 0], -1, 1))))
            left_out += (norm == 0).sum()
        assert rows[method]["angular_error"] == pytest.approx(
            np.concatenate(angles).mean(), abs=1e-4
        )
        assert rows[method]["angular_error_images"] == pytest.approx(
            np.mean([a.mean() for a in angles]), abs=1e-4
        )
        assert rows[method]["undefined_pixels"] == left_out


def test_differences_are_those_of_the_rows_and_have_an_interval_over_scenes(results):
    for one in results["tables"]:
        rows = {row["method"]: row for row in one["rows"]}
        (comparison,) = one["comparisons"]
        assert list(comparison["differences"]) == RATIOS
        for name, between in comparison["differences"].items():
            assert between["value"] == pytest.approx(
                rows["triplet"][name] - rows["flat"][name], abs=1e-6
            )
            assert between["scenes"] == one["scenes"]
            if one["protocol"] == "within-images":  # of ten scenes; the two folds have four
                assert between["low"] < between["value"] < between["high"]
        grey = rows["NIR copied to grey"]
        assert grey["against_grey"] is None
        for name in METHODS[1:]:
            for metric in RATIOS:
                assert rows[name]["against_grey"][metric]["value"] == pytest.approx(
                    rows[name][metric] - grey[metric], abs=1e-6
                )


def test_the_budget_of_all_categories_is_one_of_each(results):
    of_all = {**results, "runs": [{**run, "category": "all"} for run in results["runs"]]}
    assert budget(of_all).startswith("Budget of a trained run: 24 patches of each category.")


def test_tables_and_figures_are_written(finished, results):
    text = (finished / "table.md").read_text()
    assert "Budget of a trained run: 24 patches." in text
    assert "## street, within-images: 10 pictures of 10 scenes, budget 24 patches" in text
    assert "## street, across-scenes, 2 folds: 4 pictures of 4 scenes" in text
    with (finished / "table.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["method"] for row in rows] == METHODS * 2
    assert float(rows[4]["angular_error"]) == results["tables"][0]["rows"][4]["angular_error"]
    for name in ("patches", "pictures"):
        for protocol in ("within-images", "across-scenes"):
            picture = Image.open(finished / f"figures/{name}-{protocol}.png").convert("RGB")
            assert len(picture.getcolors(1 << 24)) > 500
            assert (finished / f"figures/{name}-{protocol}.pdf").read_bytes()[:5] == b"%PDF-"
    assert (finished / "figures/curves.png").is_file()
    shown = (finished / "figures/shown.txt").read_text()
    assert "patches-within-images: street, from above: street/" in shown


def test_all_methods_are_shown_the_same_patches(finished):
    from nirgan.evaluation.figure_samples import FigureSamples

    for split in ("within-images", "across-scenes-fold0", "across-scenes-fold1"):
        files = list(finished.glob(f"runs/street/{split}/*/seed0-*/shown-street.npz"))
        shown = [FigureSamples.load(file) for file in files]
        assert len(shown) == len(METHODS)
        assert all(s.places == shown[0].places and s.whole == shown[0].whole for s in shown)
        assert all(np.array_equal(s.truth, shown[0].truth) for s in shown)


def test_of_a_category_its_own_pictures_are_shown():
    from nirgan.data.datamodule import PatchDataModule
    from nirgan.evaluation.figure_samples import draw_samples
    from nirgan.networks.generators.baselines import GreyCopy

    source = Synthetic(8, (96, 128), ["street", "water"])
    pictures = {pair.name: pair.load()[0] for pair in source.pairs()}
    places = []
    for patch in (32, 40):  # trained on others, shown the same
        data = PatchDataModule(source, patch=patch, val_patches=2, protocol="across-scenes")
        data.prepare_data()
        data.setup("fit")
        for category in ("street", "water"):
            shown = draw_samples(GreyCopy(), data, 1, torch.device("cpu"), category)
            assert shown.whole.startswith(f"{category}/")
            (place,) = shown.places
            name, corner = place.split(" at ")
            top, left = map(int, corner.split(", "))
            assert name.startswith(f"{category}/")
            assert np.array_equal(
                shown.nir[0, ..., 0], pictures[name][top : top + 64, left : left + 64]
            )
            places.append(place)
    assert places[:2] == places[2:]


def times(out):
    return {file: file.stat().st_mtime_ns for file in out.glob("runs/**/result.json")}


def test_another_configuration_is_another_run_and_patches_know_no_clock(monkeypatch):
    from nirgan.benchmark.suite import Budget, Method, Suite

    monkeypatch.setattr("nirgan.benchmark.suite.BASELINE_METHODS", {})
    model, data = (str(ROOT / f"tests/conf/{name}.yaml") for name in ("triplet", "scenes"))
    trainer = Path_fr(str(ROOT / "conf/trainer/default.yaml"))  # which ends after an hour

    def runs(patches, **options):
        budget = Budget(patches=patches)
        method = {"triplet": Method(model, **options)}
        return Suite(method, data, budget, trainer, ["street"], validations=3).runs()

    made = runs(24), runs(48), runs(24, options=["--model.generator.widths=[5,5]"])
    keys = [{run.key for run in some} for some in made]
    assert len(set.union(*keys)) == sum(map(len, keys)) == 3 * (1 + 5)
    assert made[0][0].configuration["trainer"]["max_time"] is None


def test_what_is_fitted_in_one_pass_has_no_budget():
    from nirgan.benchmark.suite import Budget, Suite

    budgets = Budget(patches=24), Budget(minutes=1.0)
    suites = [Suite({}, "scenes", budget, categories=["street"]) for budget in budgets]
    grey = [suite._arguments(suite.methods["NIR copied to grey"], "street") for suite in suites]
    assert grey[0] == grey[1]


def start(out, *options):
    return Nirgan("benchmark", f"--config={SUITE}", f"--out={out}", *options)


@pytest.mark.posix
def test_a_killed_benchmark_goes_on_where_it_was(begun, finished):
    out, of_one = begun("within-images/triplet/seed0*"), "runs/street/within-images/triplet/seed0*/"
    method = f"--methods={{triplet: {{model: {ROOT}/tests/conf/triplet.yaml}}}}"
    options = [f"--config={SUITE}", f"--out={out}", "--save_outputs=true", method, "--compare=[]"]
    options += ["--protocols=[within-images]", "--seeds=[0]"]
    killed(options, ("after a checkpoint", 2), benchmark)
    before = times(out)
    (cut,) = out.glob(f"{of_one}fit/version_0/checkpoints/last.ckpt")
    done = torch.load(cut, weights_only=True)["global_step"]
    assert main(["benchmark", *options]) == 0
    assert times(out).items() >= before.items()
    (went_on,), (alone,) = (folder.glob(f"{of_one}result.json") for folder in (out, finished))
    last = went_on.parent / "fit/version_1/checkpoints/last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] > done
    assert not (went_on.parent / "fit/version_2").exists(), "it began anew"
    first, second = json.loads(went_on.read_text()), json.loads(alone.read_text())
    assert first["images"] == second["images"]
    assert first["history"] == second["history"]
    assert first["patches_seen"] == second["patches_seen"] == 24


def test_a_signal_stops_the_whole_benchmark(begun, capsys, monkeypatch):
    out = begun("within-images/flat/seed0*", "within-images/triplet/seed0*")

    def signaled(*_):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(RunRecorder, "on_train_batch_end", signaled)
    options = [f"--config={SUITE}", f"--out={out}", "--protocols=[within-images]", "--seeds=[0]"]
    assert main(["benchmark", *options]) == 128 + signal.SIGTERM
    said = "stopped by a signal in street within-images flat seed 0; the same command goes on"
    assert said in capsys.readouterr().err
    assert not list(out.glob("runs/**/failed.txt"))
    assert not list(out.glob("runs/street/within-images/triplet/seed0*"))


def test_two_processes_share_the_runs_and_do_none_twice(tmp_path):
    options = ["--protocols=[within-images]", "--seeds=[0]", "--budget.patches=12"]
    processes = [start(tmp_path, *options) for _ in range(2)]
    said = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    done = [
        line.split(" run ")[1].split(":")[0]
        for text in said
        for line in text.splitlines()
        if ": done" in line
    ]
    assert len(done) == len(set(done)) == 5
    assert json.loads((tmp_path / "results.json").read_text())["runs_finished"] == 5


def test_a_failed_run_is_reported_left_out_tried_again_and_stops_no_other(
    begun, capsys, monkeypatch
):
    from nirgan.benchmark import runner

    real, kinds = runner.judge, {"Flat": NirganError, "Triplet": RuntimeError}

    def broken(task, loader, data, *rest):
        kind = kinds.get(type(task.generator).__name__)
        if kind and data.fold == 0:
            raise kind("no memory left")
        return real(task, loader, data, *rest)

    monkeypatch.setattr(runner, "judge", broken)
    out = begun("across-scenes-fold0/flat", "across-scenes-fold*/triplet")
    options = [f"--config={SUITE}", f"--out={out}", "--protocols=[across-scenes]"]
    assert main(["benchmark", *options]) == 1
    said = capsys.readouterr().out
    for name in ("flat", "triplet"):
        assert f"failed: street across-scenes fold 0 {name} seed 0: no memory left; see" in said
        (told,) = out.glob(f"runs/**/{name}/*/failed.txt")
        assert "no memory left" in told.read_text()
    assert "8 of 10 runs are finished" in said  # one of them after the failed ones
    (patches, _, _) = (out / "figures/shown.txt").read_text().splitlines()
    assert patches.count(" at ") == 2  # those of the fold that every method has
    monkeypatch.setattr(runner, "judge", real)
    assert main(["benchmark", *options]) == 0
    assert not list(out.glob("runs/**/failed.txt"))


def test_a_budget_of_minutes_ends_runs_by_the_clock_and_equal_methods_are_no_accident(begun):
    out = begun()
    options = [f"--config={SUITE}", f"--out={out}", "--protocols=[within-images]"]
    options += ["--seeds=[0]", "--budget.patches=null", "--budget.minutes=0.05", "--compare=[]"]
    grey = f"mine: {{model: {ROOT}/conf/model/grey_copy.yaml, one_pass: true}}"
    trained = f"triplet: {{model: {ROOT}/tests/conf/triplet.yaml}}"
    assert main(["benchmark", *options, f"--methods={{{grey}, {trained}}}"]) == 0
    results = json.loads((out / "results.json").read_text())
    assert results["budget"] == "0.05 minutes"
    triplet = next(run for run in results["runs"] if run["method"] == "triplet")
    assert 3 <= triplet["seconds"] < 20
    assert triplet["history"][-1][0] == triplet["patches_seen"] > 0
    mine = next(r for r in table(results, "within-images")["rows"] if r["method"] == "mine")
    same = {"value": 0, "low": 0, "high": 0, "scenes": 10}
    assert mine["against_grey"] == dict.fromkeys(RATIOS, same)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--budgt.patches=3"], "no key 'budgt.patches'; did you mean 'budget.patches'?"),
        (["--budget.minutes=3"], "budget: give one of budget.patches and budget.minutes"),
        (["--compare=[[triplet, flt]]"], "compare: no method 'flt'; did you mean 'flat'?"),
        (["--seeds=[]"], "seeds is [], expected one or more"),
        (["--fold_seeds=[0, 0]"], "fold_seeds is [0, 0], expected one or more, each once"),
        (["--seeds=[-1]"], "seeds has -1, expected 0 to "),
        (["--folds=[7]"], "folds has 7, expected 0 to 4"),
        (["--budget.patches=0"], "budget.patches is 0, expected more than 0"),
        (["--budget.patches=2"], "budget.patches is 2, expected 3 or more, as many as validations"),
        (["--methods={Nir copied to GREY: {model: x}}", "--compare=[]"], "rename it"),
        (["--methods={a: {model: tripelt.yaml}}", "--compare=[]"], "tripelt.yaml: no such file"),
        (["--protocols=[within]"], "protocols: expected one of"),
    ],
)
def test_a_mistake_is_one_line(options, said, tmp_path, capsys):
    assert main(["benchmark", f"--config={SUITE}", f"--out={tmp_path}", *options]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("nirgan benchmark: ")
    assert said in error


def test_costs_are_measured_when_asked_for_and_a_finished_benchmark_is_put_down_again(
    begun, monkeypatch, capsys
):
    out = begun()
    options = [f"--config={SUITE}", f"--out={out}", "--protocols=[within-images]", "--seeds=[0]"]
    monkeypatch.setattr(costs_of_methods, "PICTURE_SIZE_PX", (96, 128))
    assert main(["benchmark", *options, "--costs=true"]) == 0
    costs = json.loads((out / "results.json").read_text())["costs"]
    assert list(costs["methods"]) == METHODS
    for name, cost in costs["methods"].items():
        assert cost["milliseconds"] > 0
        trained = name in ("flat", "triplet")
        assert (cost["patches_per_second"] or 0) > 0 if trained else not cost["patches_per_second"]
    text = (out / "table.md").read_text()
    line = next(line for line in text.splitlines() if line.startswith("| triplet"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    triplet = costs["methods"]["triplet"]
    assert cells[-2:] == [f"{triplet[k]:.0f}" for k in ("patches_per_second", "milliseconds")]
    assert "one pass" in text
    assert costs["commit"] in text
    # The same command without has nothing to do, puts all down again, and costs stay.
    capsys.readouterr()
    before = times(out)
    (out / "table.md").unlink()
    written_by_another = out / "figures/.x.part.png"
    written_by_another.touch()
    assert main(["benchmark", *options, "--save_outputs=true"]) == 0
    assert times(out) == before
    assert (out / "table.md").is_file()
    assert written_by_another.is_file()
    assert "5 runs, 5 of them finished, 0 to do" in capsys.readouterr().err
    assert json.loads((out / "results.json").read_text())["costs"] == costs


def test_a_step_is_the_median_of_those_after_the_first():
    clock = StepTimer()
    clock.times = [0.0, 9.0, 18.0, 20.0, 21.0, 24.0]
    assert clock.step() == 2.0
