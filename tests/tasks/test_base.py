import lightning
import pytest
import torch
from torch.utils.data import DataLoader
from torchmetrics import MeanAbsoluteError, MeanSquaredError, MetricCollection

from nirgan.metrics import METRICS
from nirgan.networks.generators.baselines import GreyCopy
from nirgan.tasks import base
from nirgan.tasks.base import ColorizationTask


def batches():
    torch.manual_seed(0)
    rgb = torch.rand(4, 3, 32, 32)
    nir = (rgb.mean(1, keepdim=True) + 0.1 * torch.rand(4, 1, 32, 32)).clamp(0, 1)
    signed = {"nir": nir * 2 - 1, "triplet": nir.expand(-1, 3, -1, -1) * 2 - 1, "rgb": rgb * 2 - 1}
    return [signed | {"names": list("abcd")}] * 2


def trainer(**options):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    return lightning.Trainer(accelerator="cpu", **quiet, **options)


@pytest.mark.parametrize("loop", ["validate", "test"])
def test_metrics_do_not_depend_on_the_precision_of_training(loop):
    results = []
    for precision in ("32", "bf16-mixed"):
        run = getattr(trainer(precision=precision), loop)
        results.append(run(ColorizationTask(GreyCopy()), DataLoader(batches(), batch_size=None))[0])
    prefix = {"validate": "val", "test": "test"}[loop]
    assert set(results[0]) == {f"{prefix}/{name}" for name in METRICS}
    assert results[1] == pytest.approx(results[0], rel=1e-5)


def test_metrics_of_others_take_what_a_channels_last_network_gives(monkeypatch):
    others = MetricCollection({"mse": MeanSquaredError(), "mae": MeanAbsoluteError()}, prefix="x/")
    monkeypatch.setattr(base, "colorization_metrics", lambda prefix: others.clone())
    network = torch.nn.Conv2d(3, 3, 1, bias=False).to(memory_format=torch.channels_last)
    torch.nn.init.dirac_(network.weight)
    data = [
        batch | {"triplet": batch["triplet"].to(memory_format=torch.channels_last)}
        for batch in batches()
    ]
    (found,) = trainer().validate(ColorizationTask(network), DataLoader(data, batch_size=None))
    difference = (data[0]["triplet"] - data[0]["rgb"]) / 2
    assert found["x/mse"] == pytest.approx(difference.square().mean().item(), rel=1e-5)
    assert found["x/mae"] == pytest.approx(difference.abs().mean().item(), rel=1e-5)


def test_predictions_are_pictures_from_0_to_1_with_names():
    (first, _) = trainer().predict(
        ColorizationTask(GreyCopy()), DataLoader(batches(), batch_size=None)
    )
    assert first["names"] == list("abcd")
    assert torch.allclose(first["rgb"], (batches()[0]["triplet"] + 1) / 2)
