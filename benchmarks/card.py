"""Judge a trained model on scenes that it has not seen, and write its folder and figures.

    python benchmarks/card.py --model runs/default/version_0/checkpoints/last.ckpt --fold 0 \
        --out nirgan/inference/weights/default --results results/default

Every picture of the fold is colorized whole, as `colorize` does it, by the weights as they are
saved. Beside the model stands the grey copy of NIR. Of the uncertainty map it is told how well it
foretells the true angular error, within pictures (Spearman's rank correlation over blocks of 16x16
pixels) and between them, and beside it how well other maps do: the angle between the model's color
and grey, and how far the colors move when the picture is mirrored or made darker and brighter.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch
from jsonargparse import ArgumentParser
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn.functional import avg_pool2d

from nirgan.data.datamodule import PatchDataModule
from nirgan.data.images import signed_to_unit, stored_to_signed
from nirgan.data.sources.epfl import Epfl
from nirgan.evaluation import markdown
from nirgan.evaluation.evaluate import ImageScore, Sums, aggregate, cells, score_images
from nirgan.evaluation.provenance import provenance
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.conversions import to_levels
from nirgan.inference.images.files import write
from nirgan.inference.models.pretrained import CARD, read_model, write_model
from nirgan.inference.uncertainty import expected_error
from nirgan.metrics.functional import angular_error
from nirgan.utils.atomic_write import write_json, write_text
from nirgan.utils.image_grid import image_grid

BLOCK = 16
GAMMAS = (0.8, 1.25)
MIRRORS = ((-1,), (-2,), (-2, -1))
SHOWN = 10.0, 20.0
"""Degrees that are white in the figure: of the uncertainty map, and of the true error."""
DRAWN = 30
"""Pictures that are shown, drawn by a seed."""
GREY = "NIR copied to grey"
LEFT_OUT = ("angular_error", "undefined_pixels")
"""Figures that the card does not tell."""
TEMPLATE = Path(__file__).with_name("card.md")
"""The card, with places for what is measured."""


def pictures(fold: int) -> list[tuple[str, Tensor, Tensor]]:
    """Name, NIR (H x W) and colors (3 x H x W) in [0, 1] of every picture of a fold."""
    data = PatchDataModule(Epfl(), protocol="across-scenes", fold=fold)
    data.prepare_data()
    data.setup()
    found = []
    for number in sorted({region.pair for region in data.validation}):
        stored = torch.from_numpy(data.images[number].copy()).permute(2, 0, 1)
        unit = signed_to_unit(stored_to_signed(stored))
        found.append((data.pairs[number].name, unit[3], unit[:3]))
    return found


def write_scores(file: Path, fold: int, scores: Mapping[str, Sequence[Sums]]) -> None:
    """Write and print the figures of each kind, from what every picture adds to them."""
    rows: dict[str, Any] = {"fold": fold} | {kind: aggregate(s) for kind, s in scores.items()}
    for kind in scores:
        print(kind, cells(rows[kind]))
    write_json(file, rows | {"provenance": provenance(torch.device("cpu"))})


def moved(colorizer: Colorizer, nir: Tensor, output: Tensor) -> Tensor:
    """Mean angle by which colors move with mirrors and exposure, H x W in degrees."""
    others = [colorizer.colorize_bands(nir.flip(axes)[None])[0].flip(axes) for axes in MIRRORS]
    others += [colorizer.colorize_bands(nir[None] ** gamma)[0] for gamma in GAMMAS]
    return angular_error(torch.stack(others), output.expand(len(others), -1, -1, -1))[0].mean(0)


def foretold(degrees: Tensor, truth: Tensor, output: Tensor) -> tuple[float, float, float]:
    """Rank correlation of a map with the true error within a picture, and the mean of each."""
    angle, counts = angular_error(output[None], truth[None])
    angle = torch.where(counts, angle, 0)[0]
    maps = [avg_pool2d(m[None], BLOCK)[0].flatten() for m in (degrees, angle)]
    return (float(spearmanr(*maps).statistic), float(degrees.mean()), float(angle.mean()))


def rows(judged: dict[str, list[ImageScore]]) -> dict[str, dict[str, dict[str, float]]]:
    """The figures of all pictures and of every category, by method."""
    categories = sorted({s.name.partition("/")[0] for s in next(iter(judged.values()))})
    return {
        part: {
            method: aggregate(s.sums for s in all_ if part in ("all", s.name.partition("/")[0]))
            for method, all_ in judged.items()
        }
        for part in ["all", *categories]
    }


def table(measured: dict[str, Any]) -> str:
    """The rows in Markdown: of every figure that of the model, and below it that of grey."""
    lines = []
    for part, methods in measured["rows"].items():
        for method, what in (("model", "model"), (GREY, "grey")):
            row = {"scenes": part, "pictures": str(measured["pictures"][part]), "": what}
            told = {n: value for n, value in methods[method].items() if n not in LEFT_OUT}
            lines.append(row | cells(told))
    return markdown.table(markdown.lines(lines))


def within_and_between(told: list[tuple[float, float, float]]) -> dict[str, float]:
    """What `foretold` says of all pictures."""
    within, unsure, wrong = zip(*told, strict=True)
    return {
        "within pictures": median(within),
        "between pictures": float(spearmanr(unsure, wrong).statistic),
        "mean (deg)": fmean(unsure),
    }


def measure(colorizer: Colorizer, fold: int, results: Path) -> dict[str, Any]:
    """Judge every picture of a fold; write a comparison of one of each category."""
    judged: dict[str, list[ImageScore]] = {GREY: [], "model": []}
    by_map, by_color, by_moves = [], [], []
    shown: dict[str, list[Tensor]] = {}
    everything: list[list[Tensor]] = []
    for name, nir, truth in pictures(fold):
        (output,) = colorizer.colorize_bands(nir[None])
        (degrees,) = expected_error(output[None])
        judged["model"] += score_images([name], output[None], truth[None])
        judged[GREY] += score_images([name], nir.expand(1, 3, -1, -1), truth[None])
        by_map.append(foretold(degrees, truth, output))
        from_grey = angular_error(output[None], torch.ones_like(output[None]))[0][0]
        by_color.append(foretold(from_grey, truth, output))
        by_moves.append(foretold(moved(colorizer, nir, output), truth, output))
        angle = angular_error(output[None], truth[None])[0][0]
        row = [nir[None], output, truth, degrees[None] / SHOWN[0], angle[None] / SHOWN[1]]
        shown.setdefault(name.partition("/")[0], row)
        everything.append(row[:3])
        print(name, cells(aggregate([judged["model"][-1].sums])), flush=True)
    drawn = torch.randperm(len(everything), generator=torch.Generator().manual_seed(0))[:DRAWN]
    some = [everything[number] for number in drawn]
    figures = {
        "comparison": image_grid(list(shown.values()), 280),
        "pictures": image_grid(some, 240),
        "strip": image_grid(some[:5], 300),
    }
    for figure, picture in figures.items():
        write(results / f"{figure}.jpg", to_levels(picture, 8), colorizer.title)
    methods = rows(judged)
    names = [score.name.partition("/")[0] for score in judged["model"]]
    return {
        "fold": fold,
        "rows": methods,
        "pictures": {part: len(names) if part == "all" else names.count(part) for part in methods},
        "uncertainty": {
            "the map": within_and_between(by_map),
            "angle between the color and grey": within_and_between(by_color),
            "how far colors move with mirrors and exposure": within_and_between(by_moves),
        },
    }


def card(measured: dict[str, Any], training: str) -> str:
    """The model's README.md."""
    foretells = "\n".join(
        f"| {name} | {row['within pictures']:.2f} | {row['between pictures']:.2f} |"
        for name, row in measured["uncertainty"].items()
    )
    return TEMPLATE.read_text().format(
        table=table(measured),
        foretells=foretells,
        fold=measured["fold"],
        parameters=measured["parameters"],
        commit=measured["provenance"]["commit"],
        machine=measured["provenance"]["machine"],
        training=training,
    )


def main() -> None:
    """Judge, and write."""
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint")
    parser.add_argument("--fold", type=int, default=0, help="that the model has not seen")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument("--results", type=Path, required=True, help="folder of JSON and figures")
    parser.add_argument(
        "--training", type=str, required=True, help="how it was trained, a sentence"
    )
    options = parser.parse_args()
    here = provenance(torch.device("cpu"))  # before the weights, which the commit holds, change
    saved = read_model(options.model)
    config = {"name": options.out.name, "generator": saved.config["generator"]}
    config["training"] = saved.config["training"] | {"how": options.training}
    write_model(options.out, saved.generator, config, None, half=True)
    saved = read_model(options.out)  # the weights as they are saved
    colorizer = Colorizer(saved.generator, saved.name, saved.digest, device="cpu")
    measured = measure(colorizer, options.fold, options.results)
    parameters = sum(p.numel() for p in saved.generator.parameters())
    measured |= {"model": colorizer.title, "parameters": parameters, "provenance": here}
    write_json(options.results / "results.json", measured)
    write_text(options.out / CARD, card(measured, options.training))
    print(table(measured), json.dumps(measured["uncertainty"], indent=2), sep="\n")


if __name__ == "__main__":
    main()
