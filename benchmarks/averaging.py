"""What are averages worth: of mirrored views, of several sizes, of several networks or weights?

    python benchmarks/averaging.py --models '[runs/a/best.ckpt, runs/b/best.ckpt]' --fold 4 \
        --results results/ablation/averaging.json

The models are `SceneUNet`s that have not seen the fold. What is averaged is their field of color,
which is computed from a view of fixed size, so that a picture's full size is gone through once.
Every picture of the fold is judged whole. Rows are added to the results.
"""

import copy
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from card import pictures
from jsonargparse import auto_cli
from torch import Tensor
from torch.nn.functional import interpolate

from nirgan.evaluation.evaluate import aggregate, cells, score_images
from nirgan.evaluation.provenance import provenance
from nirgan.inference.models.pretrained import read_model
from nirgan.networks.generators.scene_unet import SceneUNet
from nirgan.utils.atomic_write import write_json


def averaged(
    networks: Sequence[SceneUNet], views: Sequence[int], mirrored: bool, band: Tensor
) -> Tensor:
    """Colors, B x 3 x H x W in [0, 1], of a band, B x 1 x H x W in [-1, 1]."""
    fields = []
    for network in networks:
        for view in views:
            network.view = view
            fields.append(network.compute_statistics(band))
            if mirrored:
                fields.append(network.compute_statistics(band.flip(-1)).flip(-1))
    size = max((field.shape[-2:] for field in fields), key=lambda s: s[0] * s[1])
    mean = torch.stack([interpolate(field, size, mode="bilinear") for field in fields]).mean(0)
    network = networks[0]
    network.whole_statistics = mean
    colors: Tensor = (network(band.expand(-1, 3, -1, -1)) + 1) / 2
    network.whole_statistics = None
    return colors


def mean_weights(networks: Sequence[SceneUNet]) -> SceneUNet:
    """One network (Wortsman et al., "Model soups", ICML 2022), of those that began alike."""
    made = copy.deepcopy(networks[0])
    states = [network.state_dict() for network in networks]
    for name, value in made.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.stack([state[name] for state in states]).mean(0))
    return made


@torch.inference_mode()
def main(models: list[Path], fold: int, results: Path) -> None:
    """Judge each model, and averages.

    Args:
        models: Checkpoints or model folders.
        fold: That none of them has seen.
        results: JSON file that rows are added to.
    """
    torch.set_num_threads(1)
    networks: list[SceneUNet] = []
    for model in models:
        network = read_model(model).generator
        assert isinstance(network, SceneUNet), model
        networks.append(network.eval())
    trained = networks[0].view
    kinds = {
        str(model): ([network], [trained], False)
        for model, network in zip(models, networks, strict=True)
    }
    kinds |= {
        "the first, mirrored": (networks[:1], [trained], True),
        "the first, views of 288, 352 and 448": (networks[:1], [288, 352, 448], False),
    }
    if len(networks) > 1:
        kinds[f"{len(networks)} networks"] = (networks, [trained], False)
        kinds[f"{len(networks)} networks, mirrored"] = (networks, [trained], True)
        kinds[f"mean weights of {len(networks)}"] = ([mean_weights(networks)], [trained], False)
    scores = {name: [] for name in kinds}
    for name, nir, truth in pictures(fold):
        for kind, (some, views, mirrored) in kinds.items():
            colors = averaged(some, views, mirrored, nir[None, None] * 2 - 1)
            scores[kind] += [s.sums for s in score_images([name], colors, truth[None])]
    rows = json.loads(results.read_text()) if results.is_file() else {}
    for kind, sums in scores.items():
        rows[kind] = {"fold": fold, "figures": aggregate(sums)}
        print(kind, cells(aggregate(sums)))
    rows["provenance"] = provenance(torch.device("cpu"))
    write_json(results, rows)


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
