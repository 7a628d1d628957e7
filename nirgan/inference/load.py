"""`load`: makes a `Colorizer` from a name, a file or a repository.

It is not in models/, since `Colorizer` imports models/ for writing.
"""

from pathlib import Path

import torch

from nirgan.errors import NirganError
from nirgan.inference.colorizer import Colorizer, Precision
from nirgan.inference.models.hub import fetch
from nirgan.inference.models.pretrained import read_model
from nirgan.utils.safe_loading import Trust

SHIPPED_MODELS = Path(__file__).parent / "weights"
"""Folders of the models that come with the package, by name."""


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
            folder with `model.safetensors`, an `.onnx` file, or `owner/name` of a repository on the
            Hugging Face hub (`pip install 'nirgan[hub]'`), where there is no such path.
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
    else:
        saved = read_model(where, trust)
    try:
        return Colorizer(
            saved.generator,
            saved.name,
            saved.digest,
            config=saved.config,
            # That of an exported model is in its file.
            receptive_field=getattr(saved.generator, "receptive_field", None),
            device=device,
            precision=precision,
            tile=tile,
        )
    except (RuntimeError, AssertionError) as error:  # what torch raises for devices
        reason = str(error).partition("\n")[0]
        raise NirganError(f"--device {device}: {reason}") from error
