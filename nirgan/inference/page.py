"""The page of `python -m nirgan demo`: what it shows, and what happens on it.

`Desk` does the work and knows nothing of the page; Gradio's words stay in `build`. Gradio's own
fields for pictures bring 16 bits down to 8, so a file is taken as a file here, and what can be
downloaded is as deep as what was dropped.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from nirgan.data.images import Pixels, write_png
from nirgan.errors import NirganError, named
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.pictures import read, write
from nirgan.inference.plan import PICTURES
from nirgan.inference.scaling import Scale, hint_of_bits

if TYPE_CHECKING:
    import gradio as gr

PREVIEW = 1600
"""Pixels of the longer side of what the page shows; a download has all of them."""
KEPT = 86400
"""Seconds until uploads and results are deleted; all of them are when the page ends."""
TOPS = (1, 2, 5, 10, 20, 45, 90)
"""Degrees at which a heat map may end."""
SCALES = [
    ("whole range of the file's type", "dtype"),
    ("percentiles of the picture", "percentile"),
    ("10 bits: 0,1023", "0,1023"),
    ("12 bits: 0,4095", "0,4095"),
    ("14 bits: 0,16383", "0,16383"),
]
ABOUT = (
    "# Near-infrared into colour\n"
    "**The colours are guesses**: a network has learned what such scenes look like, and has seen "
    "nothing of the colours of this one. The file that you download says so too."
)


@dataclass(frozen=True)
class Result:
    """What became of a picture.

    Attributes:
        nir: The band as the network saw it, a file for the screen.
        rgb: Its colours, likewise.
        file: The colours in full depth and size.
        note: A line about it.
        heat: A map of the uncertainty for the screen, if it was asked for.
        top: Degrees from which on the map has its last colour.
    """

    nir: Path
    rgb: Path
    file: Path
    note: str
    heat: Path | None = None
    top: int = 0


class Desk:
    """Colorizes what is put on it.

    Args:
        colorizers: By the name that the page shows.
        folder: Where results are written.
    """

    def __init__(self, colorizers: Mapping[str, Colorizer], folder: Path) -> None:
        self.colorizers = colorizers
        self.folder = folder

    def colorize(self, file: Path, model: str, scale: str, uncertainty: bool) -> Result:
        """Colorize a picture, and write it.

        Args:
            file: A picture of any depth.
            model: One of the names.
            scale: As the command line's `--scale`.
            uncertainty: Whether a map of it is wanted, which takes five times as long.

        Raises:
            NirganError: The picture cannot be used.
        """
        colorizer, how = self.colorizers[model], Scale.parse(scale)
        given = read(file)
        limits = how.limits(given.band, named(file.name))
        nir = limits.to_unit(given.band)
        if uncertainty:
            colours, degrees = (x[0] for x in colorizer.uncertainty(nir[None]))
        else:
            colours, degrees = colorizer.band(nir[None])[0], None
        # A folder of its own: Gradio would name files after what is in them, and write those that
        # somebody else is shown at the moment anew.
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        out = folder / f"{file.stem}_colour.png"
        depth = 8 if given.band.dtype == np.uint8 else 16
        write(out, colours, depth=depth, title=colorizer.title, alpha=given.alpha)
        height, width = given.band.shape
        note = (
            f"{named(file.name)}: {width} x {height} pixels, {given.band.dtype}; "
            f"{limits.low:g} is black, {limits.high:g} is white. "
        )
        if how.kind == "dtype" and (hint := hint_of_bits(given.band)):
            note += hint.capitalize().replace("use --scale", "choose the range") + ". "
        note += f"Colours by {colorizer.title}."
        shown = _preview(folder / "nir.png", nir[None]), _preview(folder / "rgb.png", colours)
        if degrees is None:
            return Result(*shown, out, note)
        picture, top = heat(degrees)
        return Result(*shown, out, note, _preview(folder / "uncertainty.png", picture), top)


def heat(degrees: Tensor) -> tuple[Tensor, int]:
    """Draw a map of angles, black where they are small, yellow where they are large.

    Args:
        degrees: H x W.

    Returns:
        3 x H x W in [0, 1], and the degrees from which on it is yellow.
    """
    most = np.percentile(degrees, 99)
    top = next((top for top in TOPS if most <= top), TOPS[-1])
    levels = (degrees / top * 255).round().clamp(0, 255).numpy().astype(np.uint8)
    return torch.from_numpy(_colours(levels)).permute(2, 0, 1) / 255, top


def legend(top: int) -> str:
    """The scale of a heat map, as HTML."""
    stops = _colours(np.linspace(0, 255, 9).astype(np.uint8)[None])[0]
    gradient = ", ".join(f"rgb({r} {g} {b})" for r, g, b in stops)
    ticks = "".join(f"<span>{top * part / 4:g}°</span>" for part in range(4))
    return (
        f"<div style='height: 12px; background: linear-gradient(90deg, {gradient})'></div>"
        "<div style='display: flex; justify-content: space-between'>"
        f"{ticks}<span>{top}°{'' if top == TOPS[-1] else ' or more'}</span></div>"
        "How far, in degrees of colour, the guess moves when the picture is mirrored and "
        "a little noise is added."
    )


def _colours(levels: Pixels) -> Pixels:
    return np.ascontiguousarray(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1])


def _preview(file: Path, picture: Tensor) -> Path:
    """Write 1 or 3 x H x W in [0, 1], as small as a screen."""
    factor = min(1, PREVIEW / max(picture.shape[1:]))
    size = [max(1, round(side * factor)) for side in picture.shape[1:]]
    if factor < 1:
        picture = interpolate(picture[None], size, mode="bilinear", antialias=True)[0]
    write_png(file, picture.expand(3, -1, -1))
    return file


def build(desk: Desk) -> "gr.Blocks":
    """The page.

    Args:
        desk: What does the work. One picture at a time goes over it.
    """
    import gradio as gr  # noqa: PLC0415 (an extra, and seconds)

    names = list(desk.colorizers)
    page = gr.Blocks(title="nirgan", analytics_enabled=False, delete_cache=(KEPT // 24, KEPT))
    with page:
        gr.Markdown(ABOUT)
        given = gr.State()
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                drop = gr.File(
                    label="Near-infrared picture",
                    file_types=list(PICTURES),
                    height=180,
                    elem_id="drop",
                )
                model = gr.Dropdown(names, value=names[0], label="Model", elem_id="model")
                scale = gr.Dropdown(
                    SCALES,
                    value="dtype",
                    label="What is black, what is white",
                    info="Choose, or write two values of your camera: LOW,HIGH",
                    allow_custom_value=True,
                    elem_id="scale",
                )
                unsure = gr.Checkbox(
                    label="Uncertainty map", info="takes five times as long", elem_id="unsure"
                )
            with gr.Column(scale=3):
                slider = gr.ImageSlider(
                    label="Near-infrared | colour",
                    interactive=False,
                    buttons=["fullscreen"],
                    max_height=680,
                    elem_id="slider",
                )
                note = gr.HTML(elem_id="note")
                download = gr.DownloadButton(
                    "Download the colours",
                    variant="primary",
                    visible=False,
                    elem_id="download",
                )
                with gr.Column(visible=False) as below:
                    picture = gr.Image(
                        label="Uncertainty",
                        interactive=False,
                        buttons=["fullscreen"],
                        elem_id="heat",
                    )
                    key = gr.HTML(elem_id="legend")

        def nothing(line: str = "") -> dict[Any, Any]:
            return {
                slider: None,
                note: line,
                download: gr.DownloadButton(value=None, visible=False),
                below: gr.Column(visible=False),
            }

        def show(path: str | None, model: str, scale: str, uncertainty: bool) -> dict[Any, Any]:
            if path is None:
                return nothing()
            file = Path(path)
            try:
                result = desk.colorize(file, model, scale, uncertainty)
            except NirganError as error:
                # The former picture must not stand beside it. Of the path, only the name is known.
                line = str(error).replace(str(file), file.name).replace("--scale ", "")
                return nothing(f"<b role='alert' style='color: #c22'>{escape(line)}</b>")
            shown: dict[Any, Any] = {
                slider: (str(result.nir), str(result.rgb)),
                note: escape(result.note),
                download: gr.DownloadButton(value=str(result.file), visible=True),
                below: gr.Column(visible=result.heat is not None),
            }
            if result.heat is not None:
                shown |= {picture: str(result.heat), key: legend(result.top)}
            return shown

        # The file goes on at once, so that the next one can be dropped on the same place.
        drop.upload(lambda path: (None, path), drop, [drop, given], api_visibility="private")
        gr.on(
            [given.change, model.input, scale.input, unsure.input],
            show,
            [given, model, scale, unsure],
            [slider, note, download, below, picture, key],
            concurrency_limit=1,
            trigger_mode="always_last",
            show_progress_on=[slider],
            api_visibility="private",
        )
    return page
