"""Models in the way of the Hugging Face hub: found there, and kept as it wants them.

`ModelHubMixin` is not used: it has to be there when a class is made, and it takes what stands in
`config.json` for arguments of that class, where here it names a network, which is looked at first.
"""

import re
from pathlib import Path
from typing import Any

from torch import nn

from nirgan.errors import NirganError, printable_path
from nirgan.inference.models.pretrained import CARD, CONFIG, WEIGHTS, Config, write_model

REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")
"""What may be one on the hub: owner and name."""
MODEL_SUFFIXES = {".safetensors", ".ckpt", ".onnx"}


def fetch(where: str | Path, revision: str | None = None) -> Path:
    """Where a model lies on this machine, downloaded if need be.

    Args:
        where: `owner/name` of a repository on the hub; whatever else is given back as it is, and
            so is a path that is there, without asking the network.
        revision: Of the repository: a branch, a tag or a commit.

    Raises:
        NirganError: It cannot be downloaded, or huggingface_hub is not installed.
    """
    path = Path(where)
    if path.exists() or path.suffix in MODEL_SUFFIXES or not REPOSITORY.fullmatch(str(where)):
        return path
    name = str(where)
    try:
        from huggingface_hub import snapshot_download  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError as error:
        raise NirganError(
            f"{name}: no such folder; and to look for it on the Hugging Face hub, huggingface_hub "
            "is needed: pip install 'nirgan[hub]'"
        ) from error
    try:
        folder = snapshot_download(
            name, revision=revision, allow_patterns=[WEIGHTS, CONFIG, CARD], library_name="nirgan"
        )
    except Exception as error:  # of the hub, of the network or of the disk
        reason = " ".join(str(error).split())
        raise NirganError(
            f"{name}: no such folder, and not to be had from the Hugging Face hub "
            f"({type(error).__name__}: {reason[:200]})"
        ) from error
    return Path(folder)


def save(
    folder: str | Path,
    generator: nn.Module,
    config: Config,
    card: str | None = None,
    half: bool = False,
) -> None:
    """Write a folder that can be uploaded as it is.

    Args:
        folder: See `write_model`.
        generator: The network.
        config: See `write_model`.
        card: In place of `card_of`.
        half: See `write_model`.

    Raises:
        NirganError: It cannot be written, or nothing says which class the network is of.
    """
    if "generator" not in config:
        raise NirganError(
            f"{printable_path(folder)}: cannot be written: the model does not say which class its network "
            "is of, as one from a checkpoint or a folder does"
        )
    write_model(Path(folder), generator, config, card or card_of(config), half)


def card_of(config: Config) -> str:
    """A card in Markdown, with the head that the hub reads.

    Args:
        config: See `nirgan.inference.models.pretrained.PretrainedModel`; figures in `measured` and facts in
            `training` become tables.
    """
    tables = "".join(
        _table(title, config.get(key))
        for key, title in (("measured", "Measured"), ("training", "Training"))
    )
    network = str(config["generator"]["class_path"]).rpartition(".")[2]
    return f"""---
license: apache-2.0
library_name: nirgan
pipeline_tag: image-to-image
tags:
- near-infrared
- colorization
- nirgan
---

# {config["name"]}

A near-infrared picture in, colors out: a network of the kind {network}, for nirgan. The colors
are guesses. Say so wherever they are shown.

```python
import nirgan

colorizer = nirgan.load("FOLDER, OR OWNER/NAME ON THE HUB")
colorizer("nir.png", output="color.png")
```
{tables}"""


def _table(title: str, facts: Any) -> str:
    if not isinstance(facts, dict) or not facts:
        return ""
    rows = "".join(f"| {key} | {value} |\n" for key, value in facts.items())
    return f"\n## {title}\n\n| | |\n| --- | --- |\n{rows}"
