"""What are the default's errors made of? One part of its output at a time is set right.

    NIRGAN_DATA=... python benchmarks/oracles.py --model nirgan/inference/weights/default --fold 0 \
        --results results/default/oracles.json

Every picture of the fold is judged whole, as `nirgan test` does.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import torch
from card import pictures, write_scores
from jsonargparse import auto_cli
from torch import Tensor
from torch.nn.functional import interpolate

from nirgan.evaluation.evaluate import Sums, score_images
from nirgan.inference.models.pretrained import read_model
from nirgan.utils.color_spaces import lab_to_rgb, rgb_to_lab

EXPOSURES = torch.linspace(-2, 2, 41)
"""Of a picture, added to its logit."""
MARGIN = 0.004
"""A level of 8 bits: the logit is infinite at 0 and 1."""
COARSE_SIDE_PX = 88
"""Of the default's field of color, on the long side."""


def corrected(output: Tensor, truth: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The output, 1 x 3 x H x W in [0, 1], as it is and with parts of the truth, by name."""
    yield "output", output
    logit = torch.logit(output, MARGIN)
    exposed = (torch.sigmoid(logit + exposure) for exposure in EXPOSURES)
    yield "exposure", min(exposed, key=lambda colors: float((colors - truth).square().mean()))
    lab, right = (rgb_to_lab(colors * 2 - 1) for colors in (output, truth))
    lightness = lab[:, :1] + _coarse(right[:, :1] - lab[:, :1])
    yield "lightness, coarse", _rgb(lightness, lab[:, 1:])
    yield "lightness", _rgb(right[:, :1], lab[:, 1:])
    yield "chroma, coarse", _rgb(lab[:, :1], lab[:, 1:] + _coarse(right[:, 1:] - lab[:, 1:]))
    yield "chroma", _rgb(lab[:, :1], right[:, 1:])


def _coarse(difference: Tensor) -> Tensor:
    size = difference.shape[-2:]
    small = [round(side * COARSE_SIDE_PX / max(size)) for side in size]
    reduced = interpolate(difference, small, mode="bilinear", antialias=True)
    return interpolate(reduced, size, mode="bilinear")


def _rgb(lightness: Tensor, chroma: Tensor) -> Tensor:
    return ((lab_to_rgb(torch.cat((lightness, chroma), 1)) + 1) / 2).clamp(0, 1)


@torch.inference_mode()
def main(model: Path, fold: int, results: Path) -> None:
    """Judge the output, and the output with one part of the truth.

    Args:
        model: A checkpoint, or a model folder.
        fold: That the model has not seen.
        results: JSON file.
    """
    torch.set_num_threads(1)
    network = read_model(model).generator.eval()
    scores: defaultdict[str, list[Sums]] = defaultdict(list)
    for name, nir, truth in pictures(fold):
        triplet = nir.expand(1, 3, -1, -1)
        kinds = {"grey": triplet}
        kinds |= corrected((network(triplet * 2 - 1) + 1) / 2, truth[None])
        for kind, colors in kinds.items():
            scores[kind] += [s.sums for s in score_images([name], colors, truth[None])]
    write_scores(results, fold, scores)


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
