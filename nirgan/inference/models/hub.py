"""Models in the way of the Hugging Face hub: found there, and kept as it wants them.

`ModelHubMixin` is not used: it has to be there when a class is made, and it takes what stands in
`config.json` for arguments of that class, where here it names a network, which is looked at first.
"""

import re
from pathlib import Path

from torch import nn

from nirgan.errors import NirganError, needs_extra, printable_path
from nirgan.inference.models.pretrained import CARD, CONFIG, WEIGHTS, Config, write_model

REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")
"""What may be one on the hub: owner and name."""
MODEL_SUFFIXES = {".safetensors", ".ckpt", ".onnx"}


def fetch(where: str | Path, revision: str | None = None) -> Path:
    """Where a model lies on this machine: `owner/name` is downloaded from the hub if need be.

    Whatever else is given back as it is, and so is a path that is there, without asking the
    network. A revision is a branch, a tag or a commit.

    Raises:
        NirganError: It cannot be downloaded, or huggingface_hub is not installed.
    """
    path = Path(where)
    if path.exists() or path.suffix in MODEL_SUFFIXES or not REPOSITORY.fullmatch(str(where)):
        return path
    name = str(where)
    with needs_extra("hub", f"{name}: no such folder; on the Hugging Face hub"):
        from huggingface_hub import snapshot_download  # noqa: PLC0415
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
    """Write a folder that can be uploaded as it is, see `write_model`; it always gets a card.

    Raises:
        NirganError: It cannot be written, or nothing says which class the network is of.
    """
    if "generator" not in config:
        raise NirganError(
            f"{printable_path(folder)}: cannot be written: the network does not say what it was "
            "built with; derive its class from nirgan.networks.Recorded"
        )
    write_model(Path(folder), generator, config, card or card_of(config), half)


def card_of(config: Config) -> str:
    """A card in Markdown, with the head that the hub reads; facts of `config` become tables."""
    tables = ""
    for key in ("measured", "training"):
        facts = config.get(key)
        if facts and isinstance(facts, dict):
            rows = "".join(f"| {name} | {value} |\n" for name, value in facts.items())
            tables += f"\n## {key.capitalize()}\n\n| | |\n| --- | --- |\n{rows}"
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
