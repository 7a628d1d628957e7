"""A sweep from its file to its table."""

import errno
import json
import math
import os
import signal
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
import torch
import yaml
from conftest import ROOT
from matplotlib.figure import Figure
from optuna.trial import TrialState
from PIL import Image
from processes import ForkedWorker, Nirgan
from test_experiments import tiny

from nirgan.cli.main import main
from nirgan.errors import NirganError
from nirgan.sweeps import study as studies
from nirgan.sweeps import trial as trials
from nirgan.sweeps.figures import draw
from nirgan.sweeps.file import read
from nirgan.sweeps.results import cells, collect
from nirgan.sweeps.study import claim, open_study, requeue_failed, slots_of, suggest
from nirgan.sweeps.worker import work

NOISE = {"distribution": "log_uniform_values", "min": 0.00001, "max": 0.1}


@pytest.fixture
def sweep_file(tmp_path, pair_folder):
    """Writes a sweep over tiny experiments of three epochs."""

    def write(**changes):
        options = [o for o in tiny(pair_folder, tmp_path) if "max_epochs" not in o]
        command = ["${interpreter}", "-m", "${program}", "fit", "--config"]
        command += [str(ROOT / "conf/triplet_urban_small_reconstruction.yaml"), *options]
        command += [f"--config={ROOT}/conf/trainer/wandb.yaml", "--trainer.max_epochs=3"]
        command += ["--pictures.patches=0", "--pictures.whole=false", "${args}"]
        content = {
            "program": "nirgan",
            "method": "random",
            "metric": {"name": "val/angular_error", "goal": "minimize"},
            "parameters": {"data.noise.red": NOISE},
            "command": command,
        }
        file = tmp_path / "mine.yaml"
        file.write_text(yaml.safe_dump(content | changes, sort_keys=False))
        return file

    return write


def plan(file, slots, out, seed=0):
    out.mkdir(exist_ok=True)
    return (str(file), f"sqlite:///{out}/study.db", slots, str(out), seed)


def opened(file, slots, out):
    out.mkdir(exist_ok=True)
    return open_study(read(file), f"sqlite:///{out}/study.db", slots)


def test_a_grid_by_two_workers_goes_from_a_file_to_a_page(
    sweep_file, tmp_path, capsys, monkeypatch
):
    # Not of the module itself: libraries start programs by it, too.
    forked = SimpleNamespace(Popen=ForkedWorker)
    monkeypatch.setattr("nirgan.sweeps.worker.subprocess", forked)
    # The second layer is refused when the network is built: a trial that fails.
    layers = ["red.layers.0", "red.layers.9"]
    parameters = {"model.l1.layer": {"values": layers}, "data.noise.red": {"values": [0.0, 0.01]}}
    file, out = sweep_file(method="grid", parameters=parameters), tmp_path / "out"
    assert main(["sweep", str(file), "--workers=2", f"--out={out}"]) == 0
    said = capsys.readouterr()
    results = json.loads((out / "results.json").read_text())
    assert [t["state"] for t in results["trials"]] == ["complete"] * 2 + ["failed"] * 2
    points = [tuple(t["values"].values()) for t in results["trials"]]
    assert points == [(layer, noise) for layer in layers for noise in (0.0, 0.01)]
    assert "has no layer 'red.layers.9'" in results["trials"][2]["error"]
    assert "red.layers.9" in (out / "trials/0002/failed.txt").read_text()
    assert "4 trials: 2 complete, 2 failed." in said.out
    assert "4/4" in said.err
    # Every complete trial is the run that its values say, judged three times.
    for trial in results["trials"][:2]:
        assert [step for step, _ in trial["curve"]] == [1, 2, 3]
        run = next((out / f"trials/{trial['number']:04d}").glob("*/version_0"))
        config = yaml.safe_load((run / "config.yaml").read_text())
        assert config["data"]["noise"]["red"] == trial["values"]["data.noise.red"]
        assert config["trainer"]["logger"][0]["class_path"].endswith("HistoryLogger")
        assert trial["made"]["commit"]
    assert len({t["value"] for t in results["trials"][:2]}) > 1
    best = min(results["trials"][:2], key=lambda t: t["value"])
    assert results["best"] == best["number"]
    page = (out / "sweep.html").read_text()
    assert page.count("data:image/png;base64,") == len(list((out / "figures").iterdir())) == 4
    # The best configuration is one that `fit` takes, with the same values.
    with pytest.raises(SystemExit) as end:
        main(["fit", f"--config={out}/best.yaml", "--print_config"])
    assert end.value.code == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["data"]["noise"]["red"] == best["values"]["data.noise.red"]
    assert config["model"]["init_args"]["l1"]["layer"] == best["values"]["model.l1.layer"]


def test_all_figures_are_drawn_of_enough_trials(sweep_file, tmp_path):
    space = {"a": NOISE, "b": {"values": ["x", "y", None]}, "c": {"values": [[0.5, 0.9], [0.9]]}}
    sweep = read(sweep_file(parameters=space))
    study = open_study(sweep, f"sqlite:///{tmp_path}/study.db", 9)
    for slot in range(8):
        trial = study.ask()
        values = suggest(sweep, trial, 0, slot)
        trial.report(values["a"], 1)
        study.tell(trial, values["a"] if slot else None, state=None if slot else TrialState.PRUNED)
    results = collect(sweep, study)
    assert [t["state"] for t in results["trials"]] == ["stopped early"] + 7 * ["complete"] + [
        "waiting"
    ]
    assert results["importance"]["a"] > results["importance"]["b"]
    draw(study, results, tmp_path)
    drawn = {file.stem: np.asarray(Image.open(file)) for file in (tmp_path / "figures").iterdir()}
    assert set(drawn) == {"history", "curves", "slices", "parallel", "importance"}
    assert all(picture.std() > 10 for picture in drawn.values())
    assert (tmp_path / "sweep.html").read_text().count("data:image/png") == 5
    best_first = sorted(results["trials"][1:8], key=lambda t: t["value"])
    numbers = [str(trial["number"]) for trial in best_first]
    assert [line[0] for line in cells(results)] == ["trial", *numbers, "0", "8"]


def test_a_figure_that_cannot_be_written_leaves_the_former_one(sweep_file, tmp_path, monkeypatch):
    def fail(figure, file, **options):
        Path(file).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    sweep = read(sweep_file())
    study = open_study(sweep, f"sqlite:///{tmp_path}/study.db", 2)
    trial = study.ask()
    trial.report(suggest(sweep, trial, 0, 0)["data.noise.red"], 1)
    study.tell(trial, 1.0)
    draw(study, collect(sweep, study), tmp_path)
    before = (tmp_path / "figures/history.png").read_bytes()
    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(NirganError, match="history.png: cannot be written"):
        draw(study, collect(sweep, study), tmp_path)
    assert (tmp_path / "figures/history.png").read_bytes() == before


def test_random_values_are_the_same_whoever_draws_them(sweep_file):
    parameters = {"data.noise.red": NOISE, "data.noise.blue": NOISE}
    sweep = read(sweep_file(parameters=parameters))

    def drawn(order, seed):
        study = optuna.create_study()
        return {slot: tuple(suggest(sweep, study.ask(), seed, slot).values()) for slot in order}

    first = drawn(range(6), 0)
    assert len({value for point in first.values() for value in point}) == 12
    assert drawn([3, 0, 5, 1, 4, 2], 0) == first
    assert drawn(range(6), 1) != first


def test_bayes_looks_where_it_was_good(sweep_file):
    sweep = read(sweep_file(method="bayes"))
    study = optuna.create_study()
    for slot in range(40):
        trial = study.ask()
        study.tell(trial, abs(math.log(suggest(sweep, trial, 0, slot)["data.noise.red"] / 0.001)))
    distances = [t.value for t in study.trials]
    assert median(distances[25:]) < median(distances[:10]) / 2  # the first ten are random


def test_a_slot_is_filled_once(sweep_file, tmp_path):
    study = opened(sweep_file(), 2, tmp_path / "out")
    first, second, surplus = study.ask(), study.ask(), study.ask()
    assert [claim(study, t) for t in (first, second, surplus)] == [0, 1, None]
    study.enqueue_trial({}, user_attrs={studies.SLOT: 1})  # while the other one is at it
    assert claim(study, study.ask()) is None
    study.tell(first, state=TrialState.FAIL)
    requeue_failed(study)
    again = study.ask()
    assert claim(study, again) == 0
    assert len(slots_of(study)) == 2


def test_a_point_that_failed_before_it_began_is_not_lost(sweep_file, tmp_path):
    file = sweep_file(method="grid", parameters={"data.noise.red": {"values": [0.25, 0.75]}})
    study = opened(file, 1, tmp_path / "out")
    study.tell(study.ask(), state=TrialState.FAIL)
    requeue_failed(study)
    assert suggest(read(file), study.ask(), 3, 0) == {"data.noise.red": 0.25}


def test_more_trials_are_added_and_another_sweep_is_refused(sweep_file, tmp_path):
    assert len(slots_of(opened(sweep_file(), 2, tmp_path / "out"))) == 2
    assert len(slots_of(opened(sweep_file(), 5, tmp_path / "out"))) == 5
    study = opened(sweep_file(), 3, tmp_path / "out")
    assert len(slots_of(study)) == len(study.trials) == 5
    with pytest.raises(NirganError, match="holds trials of another sweep, or another state of"):
        opened(sweep_file(method="bayes"), 2, tmp_path / "out")


def test_hyperband_stops_a_run_that_is_worse_than_others(sweep_file, tmp_path):
    out = tmp_path / "out"
    file = sweep_file(early_terminate={"type": "hyperband", "min_iter": 1})
    study = opened(file, 0, out)
    for _ in range(3):
        other = study.ask()
        other.report(0.1, 1)  # better than anything can be
        assert not other.should_prune()
    work(*plan(file, 1, out))
    trial = slots_of(study)[0]
    assert trial.state is TrialState.PRUNED
    assert list(trial.intermediate_values) == [1]
    run = next((out / "trials/0000").glob("*/version_0"))
    assert torch.load(run / "checkpoints/last.ckpt", weights_only=True)["epoch"] == 0


def test_an_interrupted_trial_goes_on_from_its_checkpoint(sweep_file, tmp_path, monkeypatch):
    file, out = sweep_file(), tmp_path / "out"
    monkeypatch.setattr(studies, "GRACE_S", 1)
    monkeypatch.setattr(studies, "HEARTBEAT_S", 1)
    report = trials.TrialReporter.on_validation_end

    judged = []

    def killed(watch, trainer, module):
        report(watch, trainer, module)
        if watch.validations == 2:
            raise SystemExit("as a killed process would leave it")

    def counted(watch, trainer, module):
        report(watch, trainer, module)
        judged.append(watch.validations)

    with monkeypatch.context() as once:
        once.setattr(trials.TrialReporter, "on_validation_end", killed)
        with pytest.raises(SystemExit):
            work(*plan(file, 1, out))
    study = opened(file, 1, out)
    assert slots_of(study)[0].state is TrialState.RUNNING
    values = slots_of(study)[0].params
    monkeypatch.setattr(trials.TrialReporter, "on_validation_end", counted)
    work(*plan(file, 1, out))
    assert judged == [1, 2, 3]  # the first is the sanity check, counted from where it was
    trial = slots_of(study)[0]
    assert trial.state is TrialState.COMPLETE
    assert trial.params == values
    assert list(trial.intermediate_values) == [1, 2, 3]
    checkpoints = sorted((out / "trials/0000").glob("*/version_*/checkpoints/last.ckpt"))
    assert [torch.load(c, weights_only=True)["epoch"] for c in checkpoints] == [0, 2]


@pytest.mark.linux
def test_a_killed_sweep_takes_its_worker_along(sweep_file, tmp_path):
    file, out = without_an_end(sweep_file()), tmp_path / "out"
    sweep = Nirgan("sweep", file, "--trials=1", f"--out={out}")
    try:
        wait_for(lambda: list(out.glob("trials/0000/*/version_0/metrics.csv")), 90)
        assert not saved(out)
        sweep.kill()
        assert sweep.wait(10) == -signal.SIGKILL
        wait_for(lambda: not alive(str(out)), 30)
        assert saved(out)
    finally:
        sweep.kill()


@pytest.mark.linux
def test_an_interrupted_sweep_saves_what_its_workers_are_at(sweep_file, tmp_path):
    file, out = without_an_end(sweep_file()), tmp_path / "out"
    sweep = Nirgan("sweep", file, "--trials=1", f"--out={out}")
    wait_for(lambda: list(out.glob("trials/0000/*/version_0/metrics.csv")), 90)
    assert not saved(out)
    sweep.send_signal(signal.SIGINT)
    said, errors = sweep.communicate(timeout=60)
    assert sweep.returncode == 130
    assert "nirgan sweep: interrupted" in errors
    assert "1 trials: 1 unfinished." in said
    assert "stopped by SIGTERM" not in errors
    assert not alive(str(out))
    assert saved(out)


def without_an_end(file):
    """A sweep whose trials are for ever in their first epoch, after which alone they would save."""
    text = file.read_text()
    file.write_text(text.replace("data.train_patches=8", "data.train_patches=80000000"))
    return file


def saved(out):
    return list(out.glob("trials/0000/*/version_0/checkpoints/last.ckpt"))


def alive(word):
    """Processes that have it in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in entry.read_bytes() and int(entry.parent.name) != os.getpid():
                found.append(entry)
        except OSError:
            continue
    return found


def wait_for(what, seconds):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.2)


def test_a_metric_that_is_not_logged_fails_before_training(sweep_file, tmp_path, monkeypatch):
    def trained(*_):
        raise AssertionError("trained")

    monkeypatch.setattr("nirgan.tasks.adversarial.AdversarialTask.training_step", trained)
    file = sweep_file(metric={"name": "val/angular_eror", "goal": "minimize"})
    out = tmp_path / "out"
    work(*plan(file, 1, out))
    trial = slots_of(opened(file, 1, out))[0]
    assert "did you mean 'val/angular_error'?" in trial.user_attrs[trials.ERROR]


MISTAKES = {
    "--workers=0": "--workers: expected 1 or more, got 0",
    "--trials=-1": "--trials: expected 1 or more, got -1",
    "--storage=nonsense": "--storage nonsense: cannot be opened (Could not parse",
    "--storage=oracle://x/y": "--storage oracle://x/y: its driver is not installed",
    "--storage=sqlite:////nowhere/study.db": "cannot be opened (unable to open database file)",
}


@pytest.mark.parametrize("option", MISTAKES)
def test_a_wrong_option_is_one_line(option, sweep_file, tmp_path, capsys):
    file = sweep_file(method="grid", parameters={"data.noise.red": {"value": 0.1}})
    assert main(["sweep", str(file), option, f"--out={tmp_path}/out"]) == 2
    assert MISTAKES[option] in capsys.readouterr().err.strip().splitlines()[-1]


def test_an_option_that_fit_does_not_take_is_refused_before_any_trial(sweep_file, tmp_path, capsys):
    file = sweep_file(parameters={"data.noise.rd": NOISE})
    assert main(["sweep", str(file), f"--out={tmp_path}/out"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"{file}: no key 'data.noise.rd'; did you mean 'data.noise.red'?" in error
    assert not (tmp_path / "out").exists()
