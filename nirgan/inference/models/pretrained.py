"""Reads and writes trained models.

A model is a folder as on the Hugging Face hub: `model.safetensors` has the weights of the
generator; `config.json` describes the generator and its training; `README.md` is the model card.
The file of weights has a copy of the configuration, so that it can be used alone; in a folder,
`config.json` has precedence, since users edit it.

Checkpoints of `fit` can be read too. Reading either does not run code from the file.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from nirgan import __version__
from nirgan.errors import NirganError
from nirgan.inference.models.instantiate import restore
from nirgan.utils.atomic_write import atomic_write
from nirgan.utils.safe_loading import Trust, load_checkpoint

MODEL_FORMAT_VERSION = 1
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
RUN_CHECKPOINT = "checkpoints/best.ckpt"
GENERATOR_PREFIX = "generator."
"""Prefix of the weights of the generator in the state of every task, in checkpoints of `fit`."""
HEADER_KEY = "nirgan"
"""Key of the copy of the configuration in the file of weights."""

Config = dict[str, Any]


@dataclass(frozen=True)
class PretrainedModel:
    """A trained model that was read.

    Attributes:
        generator: In eval mode, on the CPU, in float32.
        name: Its name.
        digest: The first 8 digits of the SHA-256 of the file of its weights.
        config: `format`, `name`, `generator` (`class_path` and `init_args`), and optionally
            `nirgan` (the version that wrote it), `training`, `measured`, `scale` (which camera
            values were black and white in training, see `nirgan.data.scaling.Scale.parse`).
    """

    generator: nn.Module
    name: str
    digest: str
    config: Config


def read_model(where: Path, trust: Trust = False) -> PretrainedModel:
    """Read a folder as `write_model` leaves it, a `.safetensors` file, or a `.ckpt` of `fit`.

    Of a run's folder, `runs/NAME/version_N`, the best checkpoint is read.

    `trust` are class paths of other packages that may be imported, which runs their code; True: all
    that the file names.

    Raises:
        NirganError: It cannot be read or is damaged, or its network is not trusted.
    """
    file = where
    if where.is_dir():
        file = where / (RUN_CHECKPOINT if (where / RUN_CHECKPOINT).is_file() else WEIGHTS)
    if not file.is_file():
        what = f"no {WEIGHTS} in this folder" if where.is_dir() else "no such model"
        raise NirganError(
            f"{where}: {what}; expected a folder with {WEIGHTS} or {RUN_CHECKPOINT}, a "
            ".safetensors file, or a .ckpt of `fit`"
        )
    read = {".safetensors": _safetensors, ".ckpt": _checkpoint}.get(file.suffix)
    if read is None:
        raise NirganError(f"{file}: no model; expected .safetensors, .ckpt, or a folder")
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()[:8]
        config, weights = read(file)
    except OSError as error:
        raise NirganError(f"{file}: cannot be read ({error.strerror or error})") from error
    weights = _in_float32(weights, file)
    generator = restore(config["generator"], weights, file, trust)
    generator.eval().requires_grad_(False)
    return PretrainedModel(generator, str(config["name"]), digest, config)


def write_model(
    folder: str | Path,
    generator: nn.Module,
    config: Config,
    card: str | None = None,
    half: bool = False,
) -> None:
    """Write a folder that `read_model` reads, and the hub takes; all of its files, or none.

    Args:
        folder: Created if needed; a model in it is replaced.
        generator: The network.
        config: As in `PretrainedModel`; at least `name` and `generator`.
        card: The model card, in Markdown; None generates one.
        half: Store the weights of layers, but not of norms, as float16.

    Raises:
        NirganError: It cannot be written, or nothing says which class the network is of.
    """
    folder = Path(folder)
    if "generator" not in config:
        raise NirganError(
            f"{folder}: cannot be written: the network does not say what it was "
            "built with; derive its class from nirgan.networks.Recorded"
        )
    state = generator.state_dict()
    halved = {n for n, p in generator.named_parameters() if p.ndim > 1} if half else set()
    kept = {k: _to_store(v, k in halved) for k, v in state.items() if isinstance(v, Tensor)}
    plain = {key: value for key, value in state.items() if key not in kept}
    config = {"format": MODEL_FORMAT_VERSION, **config, "nirgan": __version__}
    if plain:
        config["state"] = plain
    text = json.dumps(config, indent=2, ensure_ascii=False)
    with (  # renamed in reverse order: the weights come last
        atomic_write(folder / WEIGHTS) as weights,
        atomic_write(folder / CONFIG) as about,
        atomic_write(folder / CARD) as readme,
    ):
        about.write_text(text + "\n", encoding="utf-8")
        readme.write_text(card or model_card(config), encoding="utf-8")
        try:
            save_file(kept, weights, {"format": "pt", HEADER_KEY: text})
            shutil.copymode(about, weights)  # safetensors makes it readable by its owner only
        except SafetensorError as error:
            raise NirganError(f"{folder / WEIGHTS}: cannot be written ({error})") from error


def model_card(config: Config) -> str:
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


def _to_store(value: Tensor, half: bool) -> Tensor:
    value = value.detach().cpu()
    if half and (short := value.half()).isfinite().all():
        value = short
    # Cloned, since layers may share a tensor, or have another memory format.
    return value.clone(memory_format=torch.contiguous_format)


def _safetensors(file: Path) -> tuple[Config, dict[str, Any]]:
    try:
        with safe_open(file, "pt") as opened:
            carried = (opened.metadata() or {}).get(HEADER_KEY)
            weights = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    except OSError:
        raise
    except Exception as error:  # unknown types raise anything
        raise NirganError(f"{file}: no safetensors file, or a damaged one ({error})") from error
    beside = file.with_name(CONFIG)
    if carried is not None and not (file.name == WEIGHTS and beside.is_file()):
        config = _config(carried, file)
    elif beside.is_file():
        config = _config(beside.read_bytes(), beside)
    else:
        raise NirganError(f"{file}: does not say whose weights it holds, and has no {CONFIG}")
    state = config.get("state")
    return config, weights | (state if isinstance(state, dict) else {})


def _config(text: bytes | str, file: Path) -> Config:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NirganError(f"{file}: not JSON ({error})") from error
    if not isinstance(config, dict) or not {"format", "name", "generator"} <= config.keys():
        raise NirganError(f"{file}: expected format, name and generator; no model of nirgan's?")
    if config["format"] != MODEL_FORMAT_VERSION:
        raise NirganError(
            f"{file}: format {str(config['format'])[:20]!r}, expected "
            f"{MODEL_FORMAT_VERSION}; a newer nirgan may read it"
        )
    return config


def _checkpoint(file: Path) -> tuple[Config, dict[str, Any]]:
    checkpoint = load_checkpoint(file, mmap=True)
    try:
        described = dict(checkpoint["hyper_parameters"]["generator"])
        weights = {
            k.removeprefix(GENERATOR_PREFIX): v
            for k, v in dict(checkpoint["state_dict"]).items()
            if k.startswith(GENERATOR_PREFIX)
        }
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise NirganError(f"{file}: no checkpoint of nirgan's `fit`: no generator in it") from error
    size = file.stat().st_size
    for key, value in weights.items():
        # A view of one number may claim to be a terabyte, which a copy would allocate.
        if isinstance(value, Tensor) and value.nelement() * value.element_size() > size:
            raise NirganError(f"{file}: {key!r} claims to be larger than the file")
    name = file.stem
    folders = file.absolute().parents
    if folders[0].name == "checkpoints" and len(folders) > 3:  # runs/NAME/version_0/checkpoints
        name = folders[2].name
    config: Config = {"format": MODEL_FORMAT_VERSION, "name": name, "generator": described}
    counts = {key: checkpoint.get(key) for key in ("epoch", "global_step")}
    config["training"] = {key: count for key, count in counts.items() if type(count) is int}
    scales = [part.get("nir_scale") for part in checkpoint.values() if isinstance(part, dict)]
    if scale := next((scale for scale in scales if type(scale) is str), None):
        config["scale"] = scale
    return config, weights


def _in_float32(weights: dict[str, Any], file: Path) -> dict[str, Any]:
    """Convert narrower floats to float32; refuse what is not finite, or not a plain tensor."""
    wide = {}
    for key, value in weights.items():
        if isinstance(value, Tensor):
            if value.layout != torch.strided or value.is_quantized:
                raise NirganError(f"{file}: {key!r} is not a plain tensor")
            if value.is_floating_point() and value.dtype != torch.float64:
                value = value.float()  # noqa: PLW2901
            if not value.isfinite().all():
                raise NirganError(f"{file}: {key!r} has values that are not finite numbers")
        wide[key] = value
    return wide
