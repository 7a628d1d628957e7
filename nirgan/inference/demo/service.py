"""Colorizes pictures for the demo, independent of its page."""

import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from nirgan.data.decoding.tiff import tags_of
from nirgan.data.images import Pixels, write_png
from nirgan.data.scaling import Scale, hint_of_bits
from nirgan.errors import printable_path
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.conversions import to_levels
from nirgan.inference.images.files import read, write
from nirgan.inference.images.world_files import GEO_TAGS
from nirgan.utils.image_grid import shrunk

TRAINED_SCALE = "as trained"
"""The choice of the scale that the model was trained with."""
PREVIEW_SIDE_PX = 1600
"""Longer side in pixels of the pictures on the page; downloads have full size."""
HEAT_MAP_TOPS_DEG = (1, 2, 3, 4, 6, 8, 12, 20, 30, 45, 90)
"""Upper ends of the range of a heat map, in degrees."""


@dataclass(frozen=True)
class Result:
    """The result for a picture.

    Attributes:
        nir, rgb: Files with previews of the scaled band and of the colors.
        file: The colors in full depth and size.
        note: A line about the result.
        heat, top: Preview of the uncertainty map, if requested; its upper end in degrees.
    """

    nir: Path
    rgb: Path
    file: Path
    note: str
    heat: Path | None = None
    top: int = 0


class DemoService:
    """Colorizes one picture after another, in a single thread, into a folder.

    torch keeps memory for each thread that computes, and Gradio uses a thread per request.
    """

    def __init__(self, colorizers: Mapping[str, Colorizer], folder: Path) -> None:
        self.colorizers = colorizers
        self.folder = folder
        self._thread = ThreadPoolExecutor(1)

    def colorize(self, file: Path, model: str, scale: str, uncertainty: bool) -> Result:
        """Colorize a picture of any depth, and write it; scale may be `TRAINED_SCALE`.

        Raises:
            NirganError: The picture cannot be used.
        """
        return self._thread.submit(self._colorize, file, model, scale, uncertainty).result()

    def _colorize(self, file: Path, model: str, scale: str, uncertainty: bool) -> Result:
        colorizer = self.colorizers[model]
        how = colorizer.scale if scale == TRAINED_SCALE else Scale.parse(scale)
        given = read(file)
        limits = how.limits(given.band, file.name)
        depth = 8 if given.band.itemsize == 1 else 16
        degrees = np.empty(given.band.shape, np.float32) if uncertainty else None
        colors = colorizer.colorize_picture(given, limits, depth, degrees)
        # A folder for each result: Gradio would name files by their content, and rewrite files
        # that others are just reading.
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        out = folder / f"{file.stem}_color.png"
        write(out, colors, colorizer.title, given.metadata)
        height, width = given.band.shape
        note = (
            f"{printable_path(file.name)}: {width} x {height} pixels, {given.band.dtype}; "
            f"{limits.low:g} is black, {limits.high:g} is white. "
        )
        if how.kind == "dtype" and (hint := hint_of_bits(given.band)):
            note += hint.capitalize().replace("use --scale", "choose the range") + ". "
        if given.remark:
            note += given.remark.partition(",")[0].capitalize() + ". "
        if tags_of(file) & GEO_TAGS:
            note += "A GeoTIFF: only `python -m nirgan colorize` keeps its place and holes. "
        note += f"Colors by {colorizer.title}."
        band = to_levels(limits.to_unit(given.band)[None], 8)
        rgb = _preview(folder / "rgb.png", colors[..., :3])
        shown = _preview(folder / "nir.png", band), rgb
        if degrees is None:
            return Result(*shown, out, note)
        picture, top = heat_map(degrees)
        return Result(*shown, out, note, _preview(folder / "uncertainty.png", picture), top)


def heat_map(degrees: Pixels) -> tuple[Pixels, int]:
    """Color angles, H x W, from black to yellow: 8 bits; and the end of the range in degrees."""
    most = np.percentile(degrees, 99)
    top = next((top for top in HEAT_MAP_TOPS_DEG if most <= top), HEAT_MAP_TOPS_DEG[-1])
    return _colors((degrees / top * 255).round().clip(0, 255).astype(np.uint8)), top


def legend(top: int) -> str:
    """The scale of a heat map, as HTML."""
    stops = _colors(np.linspace(0, 255, 9).astype(np.uint8)[None])[0]
    gradient = ", ".join(f"rgb({r} {g} {b})" for r, g, b in stops)
    ticks = "".join(f"<span>{top * part / 4:g}°</span>" for part in range(4))
    return (
        f"<div style='height: 12px; background: linear-gradient(90deg, {gradient})'></div>"
        "<div style='display: flex; justify-content: space-between'>"
        f"{ticks}<span>{top}°{'' if top == HEAT_MAP_TOPS_DEG[-1] else ' or more'}</span></div>"
        "The angular error to be expected, in degrees. Where the map is bright, colors are the "
        "least sure."
    )


def _colors(levels: Pixels) -> Pixels:
    return np.ascontiguousarray(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1])


def _preview(file: Path, pixels: Pixels) -> Path:
    """Write grey or colors of 8 or 16 bits, reduced to `PREVIEW_SIDE_PX`."""
    unit = np.atleast_3d(pixels) / np.float32(np.iinfo(pixels.dtype).max)
    picture = shrunk(torch.from_numpy(unit).permute(2, 0, 1), PREVIEW_SIDE_PX)
    write_png(file, picture.expand(3, -1, -1))
    return file
