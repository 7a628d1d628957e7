"""Finished runs put together: networks of all categories, seeds, the same pixels for all."""

import json

import pytest
from conftest import ROOT, SUITE

from nirgan.errors import NirganError
from nirgan.experiment.config_errors import VerbParser, parse

pytestmark = pytest.mark.xdist_group("benchmark")  # one process makes `finished`


def test_one_network_for_all_categories_is_judged_on_each(tmp_path):
    from nirgan.benchmark.collect import collect
    from nirgan.benchmark.figures import _curves
    from nirgan.benchmark.suite import Budget, Suite

    data, categories = str(ROOT / "tests/conf/scenes.yaml"), ["street", "field"]
    suite = Suite({}, data, Budget(patches=24), None, categories, True, ["within-images"])
    runs = suite.runs()
    assert [run.category for run in runs] == ["all"] * 3
    assert suite.judged_on(runs[0]) == categories
    assert "--data.source.categories=[street,field]" in runs[0].arguments
    for number, run in enumerate(runs):
        sums = [{"angular_error": [10 * number + k, 1], "undefined_pixels": [0, 0]} for k in (1, 2)]
        names = ("street/0", "field/0")
        images = [{"name": n, "scene": n, "sums": s} for n, s in zip(names, sums, strict=True)]
        result = {"images": images, "patches_seen": 24, "parameters": 0, "seconds": 1, "fold": 0}
        told = {"method": run.method, "category": "all", "protocol": run.protocol, "seed": 0}
        file = tmp_path / "runs" / run.key / "result.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(result | told | {"history": [[24, 9.0]], "configuration": {}}))
    results = collect(suite, runs, tmp_path)
    assert [axis.get_title() for axis in _curves(results).axes] == ["all, within-images"]
    tables = results["tables"]
    assert [(one["category"], one["pictures"]) for one in tables] == [("street", 1), ("field", 1)]
    assert [[row["angular_error"] for row in one["rows"]] for one in tables] == [
        [1, 11, 21],
        [2, 12, 22],
    ]


def collected(out, *options):
    from nirgan.benchmark.collect import collect
    from nirgan.benchmark.suite import Suite

    parser = VerbParser(prog="suite")
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(Suite, as_group=False)
    options = parse(parser, [f"--config={SUITE}", *options])
    options.pop("config")
    suite = Suite(**options.as_dict())
    return collect(suite, suite.runs(), out)


def test_a_method_of_one_pass_is_compared_with_every_seed_of_another(finished):
    (within, _) = collected(
        finished, "--compare=[[triplet, NIR copied to grey], [mean color, flat]]"
    )["tables"]
    rows = {row["method"]: row["angular_error_of_seeds"] for row in within["rows"]}
    above, below = (one["of_seeds"] for one in within["comparisons"])
    (grey,), (mean,) = (rows[name].values() for name in ("NIR copied to grey", "mean color"))
    assert above == {seed: error - grey for seed, error in rows["triplet"].items()}
    assert below == {seed: mean - error for seed, error in rows["flat"].items()}
    assert len(above) == len(below) == 2


@pytest.mark.parametrize("change", ["other pixels", "another picture"])
def test_methods_that_were_judged_on_other_pixels_are_not_compared(change, begun):
    out = begun()
    (file,) = out.glob("runs/street/within-images/flat/seed0-*/result.json")
    result = json.loads(file.read_text())
    image = result["images"][3]
    said = image["name"]
    if change == "other pixels":
        image["sums"]["colorfulness"][1] *= 1.01
    else:
        said = image["name"] = "street/new"
    file.write_text(json.dumps(result))
    with pytest.raises(
        NirganError, match=f"street, within-images: {said} was judged on other .* flat"
    ):
        collected(out)
