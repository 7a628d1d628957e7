"""Checks that training and validation data do not overlap: `benchmark` refuses, `fit` warns."""

from collections.abc import Sequence

from nirgan.data.datamodule import PatchDataModule
from nirgan.data.patches import Region
from nirgan.data.sources.base import Pair
from nirgan.errors import NirganError


def refuse_leaks(data: PatchDataModule) -> None:
    """Check the split of a data module that is set up.

    Raises:
        NirganError: A validation pixel is also a training pixel, the same picture is in both sets
            under two names, two pairs show the same ground, or, in `across-scenes`, a scene is in
            both; the scene is named.
    """
    training: dict[int, list[Region]] = {}
    for region in data.training:
        training.setdefault(region.pair, []).append(region)
    for region in data.validation:
        if any(min((region & other).shape) > 0 for other in training.get(region.pair, [])):
            pair = data.pairs[region.pair]
            raise NirganError(
                f"scene {pair.scene}: {pair.name} is trained on in the pixels that it is judged by"
            )
    judged = {region.pair for region in data.validation}
    contents = {n: data.snapshot.contents[data.pairs[n].name] for n in {*training, *judged}}
    trained = {contents[number]: number for number in training}
    scenes = {data.pairs[number].scene: number for number in training}
    for number in judged:
        pair = data.pairs[number]
        twin = trained.get(contents[number], number)
        if twin != number:
            raise NirganError(
                f"scene {pair.scene}: {pair.name} is judged, and {data.pairs[twin].name}, which is "
                "trained on, holds the same pictures; remove one"
            )
        if data.protocol == "across-scenes" and pair.scene in scenes:
            other = data.pairs[scenes[pair.scene]].name
            raise NirganError(
                f"scene {pair.scene}: {pair.name} is judged and {other} is trained on in fold "
                f"{data.fold} of across-scenes; give all pairs of a scene one fold"
            )
    within = data.protocol == "within-images"  # knows no scenes
    remedy = "use across-scenes, or remove one" if within else "give them one scene"
    seen, learned = ([data.pairs[n] for n in some] for some in (judged, training))
    _refuse_shared_ground(seen, learned, remedy)


def _refuse_shared_ground(judged: Sequence[Pair], trained: Sequence[Pair], remedy: str) -> None:
    places = [[pair.footprint() for pair in pairs] for pairs in (judged, trained)]
    if not all(any(some) for some in places):
        return
    from nirgan.data.rasters.raster import overlaps  # noqa: PLC0415 (an extra, which is there)

    for pair, shared in zip(judged, overlaps(*places), strict=True):
        others = [trained[n] for n in shared.nonzero()[0].tolist() if trained[n] != pair]
        if others:
            raise NirganError(
                f"scene {pair.scene}: {pair.name} is judged, and {others[0].name}, which is "
                f"trained on, shows some of the same ground; {remedy}"
            )
