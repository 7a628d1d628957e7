"""What docs/architecture.md says of adding things: each is one file, named by its path."""

import csv
import json
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, SUITE

from nirgan.cli.main import main
from nirgan.data.sources.synthetic import Synthetic
from nirgan.errors import NirganError
from nirgan.experiment.lightning_cli import configuration
from nirgan.metrics import PerImageMetric, ReportedMetric
from nirgan.tasks.training import LossCollection, WeightedLoss

MINE = """
import lightning
import numpy as np
import torch
from torch import nn
from torch.nn.functional import mse_loss
from torchmetrics import Metric

from nirgan.data.images import signed_to_unit
from nirgan.data.sources.base import Pair, PairSource
from nirgan.tasks.base import ColorizationTask


class Generator(nn.Module):
    def __init__(self, width: int = 4):
        super().__init__()
        first = nn.Conv2d(3, width, 3, padding=1)
        self.layers = nn.Sequential(first, nn.Conv2d(width, 3, 1), nn.Tanh())

    def forward(self, triplet):
        return self.layers(triplet)


class Discriminator(nn.Module):
    def __init__(self, width: int = 4):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(4, width, 4, 2), nn.Conv2d(width, 1, 1))

    def forward(self, rgb, nir):
        return self.layers(torch.cat([rgb, nir], 1))


class MyPair(Pair):
    def load(self):
        rgb = np.random.default_rng(int(self.id)).integers(0, 255, (96, 128, 3), dtype=np.uint8)
        return rgb.max(2), rgb

    def content(self):
        return f"mine-{self.id}"


class MySource(PairSource):
    def __init__(self, count: int = 3):
        self.count = count

    def pairs(self):
        return [MyPair("mine", str(i), str(i)) for i in range(self.count)]


class Contrast(Metric):
    higher_is_better = True

    def __init__(self):
        super().__init__()
        self.add_state("seen", [])

    def update(self, prediction, target):
        self.seen.append(255 * prediction.std() / target.std())

    def compute(self):
        return sum(self.seen) / len(self.seen)


class Method(ColorizationTask):
    def __init__(self, generator: nn.Module, lr: float = 0.01):
        super().__init__(generator)
        self.save_hyperparameters(logger=False)

    def training_step(self, batch, batch_idx):
        return mse_loss(signed_to_unit(self(batch["triplet"])), signed_to_unit(batch["rgb"]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)
"""


@pytest.fixture
def fit(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(textwrap.dedent(MINE))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def run(*options):
        calm = ["--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu"]
        assert main(["fit", *options, *calm]) == 0
        return json.loads(next((tmp_path / "runs").glob("*/version_0/results.json")).read_text())

    return run


SMALL = (
    "--data.source=mine.MySource",
    "--data.patch=32",
    "--data.train_patches=8",
    "--data.val_patches=4",
    "--data.batch_size=4",
)


def test_a_generator_a_discriminator_a_loss_and_a_source(fit, tmp_path):
    huber = "{loss: {class_path: torch.nn.HuberLoss}, weight: 10}"
    (tmp_path / "loss.yaml").write_text(
        f"model: {{init_args: {{reconstruction: {{huber: {huber}}}}}}}\n"
    )
    result = fit(
        f"--config={ROOT}/conf/triplet_urban_small.yaml",
        "--config=loss.yaml",
        *SMALL,
        "--data.source.count=4",
        "--model.generator=mine.Generator",
        "--model.generator.width=6",
        "--model.reconstruction.huber.weight=5",
        "--model.l1=null",
        "--model.discriminator=mine.Discriminator",
        "--model.discriminator.width=3",
        "--trainer.max_epochs=1",
        "--trainer.log_every_n_steps=1",
    )
    assert (result["categories"], result["pairs"], result["patches_seen"]) == (["mine"], 4, 8)
    metrics = next((tmp_path / "runs").glob("*/version_0/metrics.csv")).read_text()
    assert "train/huber" in metrics


LATER = {
    "a new name is added": (
        "{init_args: {reconstruction: "
        "{huber: {loss: {class_path: torch.nn.HuberLoss}, weight: 5}}}}",
        {"l1": 100, "angular": 1000, "ssim": 100, "huber": 5},
    ),
    "a weight alone": (
        "{init_args: {reconstruction: {l1: {weight: 7}}}}",
        {"l1": 7, "angular": 1000, "ssim": 100},
    ),
    "null takes all away": ("{init_args: {reconstruction: null}}", None),
    "a file that names the method brings all": (
        "{class_path: nirgan.tasks.adversarial.AdversarialTask, init_args: {reconstruction: "
        "{huber: {loss: {class_path: torch.nn.HuberLoss}, weight: 5}}}}",
        {"huber": 5},
    ),
}


@pytest.mark.parametrize("kind", LATER)
def test_losses_of_a_later_file_are_added_by_name(kind, tmp_path):
    model, weights = LATER[kind]
    (tmp_path / "later.yaml").write_text(f"model: {model}\n")
    files = [f"--config={ROOT}/conf/quickstart.yaml", f"--config={tmp_path}/later.yaml"]
    found = configuration(files)["model"]["init_args"]["reconstruction"]
    assert (found and {name: term["weight"] for name, term in found.items()}) == weights
    assert all(term["loss"]["class_path"] for term in (found or {}).values())


def test_a_generator_of_ones_own_takes_the_place_of_the_quickstarts(fit, tmp_path):
    options = ["--trainer.max_epochs=1", "--trainer.max_time=null", "--data.photometry=null"]
    options += ["--model.discriminator.widths=[4]", "--model.discriminator.patch=32"]
    fit(
        f"--config={ROOT}/conf/quickstart.yaml",
        *SMALL,
        "--model.generator=mine.Generator",
        *options,
    )
    best = tmp_path / "runs/quickstart/version_0/checkpoints/best.ckpt"
    assert "generator.layers.1.weight" in torch.load(best, weights_only=True)["state_dict"]


@pytest.fixture
def contrast(fit, monkeypatch):
    """A metric in one file and one line."""
    import mine

    from nirgan.metrics import METRICS, ReportedMetric

    line = ReportedMetric(mine.Contrast(), "contrast", "levels", digits=1)
    monkeypatch.setitem(METRICS, "contrast", line)


def test_a_metric_is_in_the_log_and_the_table_and_a_method_has_lightnings_own_optimization(
    fit, contrast, tmp_path
):
    method = ("--model=mine.Method", "--model.generator=mine.Generator", "--model.lr=0.1", *SMALL)
    result = fit(*method, "--trainer.max_epochs=1")
    (run,) = (tmp_path / "runs").glob("*/version_0")
    with (run / "metrics.csv").open() as lines:
        logged = [row["val/contrast"] for row in csv.DictReader(lines) if row["val/contrast"]]
    rows = {name: row["contrast"] for name, row in result["rows"].items()}
    assert float(logged[-1]) == pytest.approx(rows["experiment"], rel=1e-5)
    table = [line for line in (run / "table.md").read_text().splitlines() if "|" in line]
    head, _, *cells = [line.split(" | ")[-1].strip(" |") for line in table]
    assert head == "contrast (levels)"
    assert cells == [f"{value:.1f}" for value in rows.values()]
    # The checkpoint names both classes; the options do too, so that they may be imported.
    best = run / "checkpoints/best.ckpt"
    assert main(["validate", *method, f"--ckpt_path={best}", "--trainer.accelerator=cpu"]) == 0


def test_a_metric_is_in_the_benchmark_its_intervals_and_the_report(contrast):
    options = ["--protocols=[within-images]", "--methods={}"]
    options += ["--compare=[[mean color, NIR to RGB table]]"]
    assert main(["benchmark", f"--config={SUITE}", "--out=benchmark", *options]) == 0
    assert main(["report", "benchmark", "--out=report"]) == 0
    (table,) = json.loads(Path("benchmark/results.json").read_text())["tables"]
    grey, mean, _ = table["rows"]
    against = mean["against_grey"]["contrast"]
    assert against["value"] == pytest.approx(mean["contrast"] - grey["contrast"])
    assert against["low"] < against["value"] < against["high"] < 0
    assert table["comparisons"][0]["differences"]["contrast"]["low"] is not None
    for page in ("benchmark/table.md", "report/report.md", "report/report.html"):
        text = Path(page).read_text()
        assert "contrast (levels)" in text
        assert f"{grey['contrast']:.1f}" in text
    with Path("benchmark/table.csv").open() as lines:
        first, second, _ = csv.DictReader(lines)
    assert float(first["contrast"]) == grey["contrast"]
    assert float(second["contrast_against_grey_low"]) == against["low"]


@pytest.mark.parametrize(
    ("metric", "more"), [("contrast", True), ("ssim", True), ("ciede2000", False)]
)
def test_a_sweep_goes_the_way_in_which_a_metric_is_better(metric, more, contrast, tmp_path):
    from nirgan.sweeps.file import read

    text = (ROOT / "sweeps/noise.yaml").read_text()
    goal = "{name: val/angular_error, goal: minimize}"
    assert goal in text
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(text.replace(goal, f"{{name: val/{metric}}}"))
    assert read(sweep).maximize is more
    sweep.write_text(text.replace(goal, f"{{name: val/{metric}, goal: minimize}}"))
    assert read(sweep).maximize is False


NETWORK = """
from torch import nn
class Network(nn.Module):
    def __init__(self, width=None):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)
    def forward(self, triplet):
        return self.layer(triplet).tanh()
"""
NETWORKS = {
    "cannot assign module before Module.__init__() call": ("super().__init__()", "pass"),
    "line 6: TypeError: unsupported operand type(s) for %": ("(3, 3, 1)", "(3, width % 3, 1)"),
    "line 2: ModuleNotFoundError: No module named 'nowhere'": ("from", "import nowhere\nfrom"),
    "model.generator: expected a class derived from Module, got ": ("(nn.Module)", ""),
    "Network gave (4, 3, 16, 16), expected (4, 3, 32, 32)": (".tanh()", ".tanh()[..., ::2, ::2]"),
    "expected [-1, 1]; a Tanh at its end sees to that": (".tanh()", " * 100"),
}


@pytest.mark.parametrize("said", NETWORKS)
def test_a_faulty_network_is_told_by_its_line_or_output(said, tmp_path, monkeypatch, capsys):
    module = f"network_{list(NETWORKS).index(said)}"
    (tmp_path / f"{module}.py").write_text(NETWORK.replace(*NETWORKS[said]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    method = ["--model=nirgan.tasks.supervised.SupervisedTask", "--data.source=Synthetic"]
    method += ["--model.losses.l1={loss: {class_path: torch.nn.L1Loss}, weight: 1}"]
    options = [*method, f"--model.generator={module}.Network", "--trainer.accelerator=cpu"]
    assert main(["fit", *options, *SMALL[1:], "--trainer.enable_progress_bar=false"]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("nirgan fit: ")
    assert said in line


BYTES = np.zeros((8, 9), np.uint8)
PICTURES = {
    "load gives NIR as int64, expected uint8": (BYTES.astype(np.int64), np.dstack([BYTES] * 3)),
    "load gives NIR (8, 9, 3) and RGB (8, 9)": (np.dstack([BYTES] * 3), BYTES),
    "NIR (7, 9) and RGB (8, 9, 3), expected H": (BYTES[1:], np.dstack([BYTES] * 3)),
    "NIR as float32 from 0 to 255, expected": (
        np.float32([[0, 255]]),
        np.zeros((1, 2, 3), np.uint8),
    ),
    "RGB as float32 from nan to nan, expecte": (BYTES, np.full((8, 9, 3), np.nan, np.float32)),
}


@pytest.mark.parametrize("said", PICTURES)
def test_a_source_of_other_pictures_than_it_promises_is_told(said, monkeypatch, capsys):
    monkeypatch.setattr(
        "nirgan.data.sources.synthetic.SyntheticPair.load", lambda _: PICTURES[said]
    )
    assert main(["check", "--source=Synthetic", "--source.count=2"]) == 1
    assert said in capsys.readouterr().out


def test_a_source_without_pairs_is_told_with_its_arguments(monkeypatch, capsys):
    monkeypatch.setattr(Synthetic, "pairs", lambda source: [])
    assert main(["check", "--source=Synthetic", "--source.count=2"]) == 2
    assert "source: Synthetic has no pairs (" in (error := capsys.readouterr().err)
    assert "count=2" in error


def test_pairs_of_one_name_are_told(monkeypatch, capsys):
    pairs = Synthetic.pairs
    monkeypatch.setattr(Synthetic, "pairs", lambda source: pairs(source) * 2)
    assert main(["check", "--source=Synthetic", "--source.count=2"]) == 2
    error = capsys.readouterr().err
    assert "source: 2 pairs are called " in error
    assert "an id is unique within its category" in error


def test_a_loss_or_a_metric_that_gives_something_else_is_told():
    class Odd(PerImageMetric):
        def score(self, prediction, target):
            return prediction.mean(), target.mean((1, 2, 3))

    pictures = torch.rand(4, 3, 8, 8)
    with pytest.raises(ValueError, match=r"Odd.score gave \[\(\), \(4,\)\], expected two tensors"):
        Odd().update(pictures, pictures)
    with pytest.raises(TypeError, match="METRICS: odd: expected a Metric object, got <class"):
        ReportedMetric(Odd, "odd")
    losses = LossCollection({"odd": WeightedLoss(torch.nn.L1Loss(reduction="none"), 1.0)})
    with pytest.raises(NirganError, match=r"loss 'odd': L1Loss gave \(4, 3, 8, 8\), expected a sc"):
        losses(pictures, pictures)
