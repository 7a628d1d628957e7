"""A benchmark judges nothing that was trained on."""

from nirgan.data.datamodule import PatchDataModule
from nirgan.data.patches import Region
from nirgan.errors import NirganError


def refuse_leaks(data: PatchDataModule) -> None:
    """Look at the split of a data module that is set up, whoever made it.

    Raises:
        NirganError: A validation pixel is also a training pixel, the same picture is in both sets
            under two names, or, in `across-scenes`, a scene is in both; the scene is named.
    """
    training: dict[int, list[Region]] = {}
    for region in data.training:
        training.setdefault(region.pair, []).append(region)
    for region in data.validation:
        if any(_overlap(region, other) for other in training.get(region.pair, [])):
            pair = data.pairs[region.pair]
            raise NirganError(
                f"scene {pair.scene}: {pair.name} is trained on in the pixels that it is judged "
                "by; a benchmark needs them apart"
            )
    judged = {region.pair for region in data.validation}
    files = {number: data.store.file(data.pairs[number]) for number in {*training, *judged}}
    trained = {files[number]: number for number in training}
    scenes = {data.pairs[number].scene: number for number in training}
    for number in judged:
        pair = data.pairs[number]
        twin = trained.get(files[number], number)
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


def _overlap(a: Region, b: Region) -> bool:
    rows = a.top < b.top + b.height and b.top < a.top + a.height
    columns = a.left < b.left + b.width and b.left < a.left + a.width
    return rows and columns
