"""What are other views worth, and averages: of mirrored views, networks, weights, and over steps?

    python benchmarks/averaging.py --models '{one: runs/a/last.ckpt, other: runs/b/last.ckpt}' \
        --fold 4 --results results/regularization/averaging.json

The models are `SceneUNet`s that have not seen the fold. What is averaged is their field of color,
which is computed from a view of fixed size, so that a picture's full size is gone through once.
Every picture of the fold is judged whole.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from card import pictures, write_scores
from jsonargparse import auto_cli
from torch import Tensor
from torch.nn.functional import interpolate

from nirgan.evaluation.evaluate import Sums, score_images
from nirgan.inference.models.pretrained import read_model
from nirgan.networks.generators.scene_unet import SceneUNet
from nirgan.utils.safe_loading import load_checkpoint


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


def of_last_step(model: Path, network: SceneUNet) -> SceneUNet | None:
    """The network before averaging over steps, which a checkpoint of such a run holds too."""
    state = load_checkpoint(model).get("current_model_state") if model.suffix == ".ckpt" else None
    if state is None:
        return None
    made, prefix = copy.deepcopy(network), "generator."
    own = {name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)}
    made.load_state_dict(own)
    return made


@torch.inference_mode()
def main(models: dict[str, Path], fold: int, results: Path) -> None:
    """Judge each model, and averages.

    Args:
        models: Checkpoints or model folders, by name.
        fold: That none of them has seen.
        results: JSON file.
    """
    torch.set_num_threads(1)
    networks: list[SceneUNet] = []
    for model in models.values():
        network = read_model(model).generator
        assert isinstance(network, SceneUNet), model
        networks.append(network.eval())
    trained, count, first = networks[0].view, len(networks), next(iter(models))
    kinds: dict[str, tuple[list[SceneUNet], list[int], bool]] = {
        name: ([network], [trained], False) for name, network in zip(models, networks, strict=True)
    }
    for (name, model), network in zip(models.items(), networks, strict=True):
        if last := of_last_step(model, network):
            kinds[f"{name}, weights of the last step"] = [last], [trained], False
    for view in (256, 448):
        kinds[f"{first}, view of {view}"] = networks[:1], [view], False
    kinds[f"{first}, mirrored"] = networks[:1], [trained], True
    kinds[f"{first}, views of 288, {trained} and 448"] = networks[:1], [288, trained, 448], False
    if count > 1:
        kinds[f"{count} networks"] = networks, [trained], False
        kinds[f"{count} networks, mirrored"] = networks, [trained], True
        kinds[f"mean weights of {count}"] = [mean_weights(networks)], [trained], False
    scores: dict[str, list[Sums]] = {name: [] for name in ("grey", *kinds)}
    for name, nir, truth in pictures(fold):
        grey = score_images([name], nir.expand(1, 3, -1, -1), truth[None])
        scores["grey"] += [s.sums for s in grey]
        for kind, (some, views, mirrored) in kinds.items():
            colors = averaged(some, views, mirrored, nir[None, None] * 2 - 1)
            scores[kind] += [s.sums for s in score_images([name], colors, truth[None])]
    write_scores(results, fold, scores)


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
