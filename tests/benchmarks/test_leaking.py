"""What networks make of pictures that they were trained on, beside those kept apart."""

import json

import leaking
import pytest

from nirgan.metrics import METRICS

pytestmark = pytest.mark.xdist_group("benchmark")


def test_pictures_apart_are_those_of_the_table_and_the_others_are_known(
    finished, results, tmp_path
):
    leaking.main(finished, tmp_path / "leaking.json")
    found = json.loads((tmp_path / "leaking.json").read_text())["rows"]
    (table,) = (t for t in results["tables"] if t["protocol"] == "across-scenes")
    assert len(found) == len(table["rows"]) > 0
    for row in table["rows"]:
        apart = found[f"street, {row['method']}"]["apart"]
        for name in METRICS:
            assert apart[name] == pytest.approx(row[name], rel=1e-5), name
    fitted = found["street, NIR to RGB table"]
    assert fitted["trained on"]["psnr"] > fitted["apart"]["psnr"]
    gain = fitted["trained on minus apart"]["psnr"]["value"]
    assert gain == pytest.approx(fitted["trained on"]["psnr"] - fitted["apart"]["psnr"])
