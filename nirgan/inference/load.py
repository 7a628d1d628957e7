"""`load`: makes a `Colorizer` from a name, a file or a repository of the Hugging Face hub.

huggingface_hub's `ModelHubMixin` is not used: it has to be there when a class is made, and it takes
what stands in `config.json` for arguments of that class, where here it names a network, which is
looked at first.
"""

import re
from pathlib import Path

import torch

from nirgan.errors import NirganError, needs_extra
from nirgan.inference.colorizer import Colorizer, Precision
from nirgan.inference.models.pretrained import CARD, CONFIG, WEIGHTS, read_model
from nirgan.utils.paths import expand_home
from nirgan.utils.safe_loading import Trust

SHIPPED_MODELS = Path(__file__).parent / "weights"
"""Folders of the models that come with the package, by name."""
REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")
"""What may be one on the hub: owner and name."""
MODEL_SUFFIXES = {".safetensors", ".ckpt", ".onnx"}


def load(
    model: str | Path = "default",
    *,
    revision: str | None = None,
    device: str | torch.device | None = None,
    precision: Precision = "fp32",
    tile: int | None = None,
    trust: Trust = False,
) -> Colorizer:
    """Load a trained method.

    Args:
        model: The name of one that comes with the package (`default`), a checkpoint of `fit`, a
            folder with `model.safetensors`, the folder of a run, an `.onnx` file, or, where there
            is no such path, `owner/name` of a repository on the Hugging Face hub
            (`pip install 'nirgan[hub]'`).
        revision: On the hub: a branch, a tag or a commit.
        device: None: the GPU if there is one, else the CPU.
        precision: `fp32`; `bf16` and `fp16` are faster, and coarser than 16-bit files can show.
        tile: Height and width of a tile in pixels; None: from the free memory.
        trust: Class paths of other packages that may be imported, which runs their code; True:
            whatever the file names.

    Raises:
        NirganError: There is no such model, or it cannot be used; or there is no such device.

    Example:
        >>> from nirgan import load
        >>> load("default").title
        'nirgan 0.1.0, model default (...)'
    """
    shipped = SHIPPED_MODELS / str(model)
    by_name = Path(model).name == str(model) and not Path(model).exists() and shipped.is_dir()
    where = shipped if by_name else fetch(model, revision)
    if where.suffix == ".onnx":
        from nirgan.inference.export.onnx_network import read_onnx  # noqa: PLC0415 (an extra)

        saved = read_onnx(where)
        device = device or "cpu"
        measured = vars(saved.generator)["receptive_field"]  # when it was exported
        wrong = {
            f"--device {device}, as ONNX Runtime computes on the CPU": str(device) != "cpu",
            f"--precision {precision}, as it computes in 32 bits": precision != "fp32",
            "--tile, as this network needs whole pictures": tile and measured.radius is None,
        }
        if refused := [option for option, given in wrong.items() if given]:
            raise NirganError(
                f"{where}: leave out {' and '.join(refused)}; or use the model that was exported"
            )
    else:
        saved, measured = read_model(where, trust), None
    try:
        return Colorizer(
            saved.generator,
            saved.name,
            saved.digest,
            config=saved.config,
            receptive_field=measured,
            device=device,
            precision=precision,
            tile=tile,
        )
    except (RuntimeError, AssertionError) as error:  # what torch raises for devices
        reason = str(error).partition("\n")[0]
        raise NirganError(f"--device {device}: {reason}") from error


def fetch(where: str | Path, revision: str | None = None) -> Path:
    """The local path of a model: `owner/name` is downloaded from the hub if it is not there yet.

    Anything else, and a path that exists, is returned as it is, without network access. A revision
    is a branch, a tag or a commit.

    Raises:
        NirganError: It cannot be downloaded, or huggingface_hub is not installed.
    """
    path = expand_home(where)
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
