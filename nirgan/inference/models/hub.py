"""Finds models on the Hugging Face hub.

`ModelHubMixin` is not used: it has to be there when a class is made, and it takes what stands in
`config.json` for arguments of that class, where here it names a network, which is looked at first.
"""

import re
from pathlib import Path

from nirgan.errors import NirganError, needs_extra
from nirgan.inference.models.pretrained import CARD, CONFIG, WEIGHTS

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
