"""The table that a run ends with."""

import pytest

from nirgan.data.datamodule import PatchDataModule
from nirgan.data.sources.synthetic import Synthetic
from nirgan.evaluation import summary
from nirgan.networks.generators.baselines import GreyCopy, MeanColor
from nirgan.tasks.closed_form import ClosedFormTask


@pytest.mark.parametrize(("most", "seen"), [(2000, 10), (4, 4)])
def test_baselines_see_regions_evenly_spread(most, seen, monkeypatch):
    data = PatchDataModule(Synthetic(count=6, size=(96, 256)), patch=32, val_patches=4)
    data.prepare_data()
    data.setup()
    assert len(data.training) == 10
    monkeypatch.setattr(summary, "BASELINE_REGIONS", most)
    updates, update = [], MeanColor.update
    monkeypatch.setattr(
        MeanColor, "update", lambda *given: (updates.append(given[2]), update(*given))[1]
    )
    rows = summary._rows(ClosedFormTask(GreyCopy()), data.val_dataloader(), data, "mine")
    assert len(updates) == seen
    assert set(rows) == {"mine", "NIR copied to grey", "mean color", "NIR to RGB table"}


def test_the_pictures_compared_are_evenly_spread_and_no_others_are_colorized(monkeypatch):
    data = PatchDataModule(Synthetic(count=9, size=(64, 128)), patch=32)
    data.prepare_data()
    data.setup()
    shown: list[int] = []
    made = data.region_batch
    monkeypatch.setattr(data, "region_batch", lambda r, n: (shown.append(n), made(r, n))[1])
    summary._comparison(ClosedFormTask(GreyCopy()), data)
    assert shown == [0, 2, 4, 6, 8]
