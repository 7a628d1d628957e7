"""A trained method, on pictures of any kind and any size."""

import copy
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import psutil
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from nirgan import __version__
from nirgan.data.images import Pixels, signed_to_unit
from nirgan.data.scaling import Limits, Scale
from nirgan.errors import NirganError, printable_path
from nirgan.inference.conversions import parse_input
from nirgan.inference.images.files import (
    NirPicture,
    check_target,
    empty_picture,
    read,
    to_levels,
    write,
)
from nirgan.inference.images.world_files import copy_georeference
from nirgan.inference.models.hub import save
from nirgan.inference.tiling import (
    Blending,
    ReceptiveField,
    Rect,
    measure_receptive_field,
    padded_size,
    tile_grid,
)
from nirgan.inference.uncertainty import expected_error
from nirgan.networks.global_layers import GlobalLayer, Tile, global_statistics, set_tile

Precision = Literal["fp32", "bf16", "fp16"]
Read = Callable[[Rect], Tensor]
"""Gives the part of the bands that is asked for, B x h x w in [0, 1]."""
Write = Callable[[Rect, Tensor], None]
"""Takes a part's colors, B x 3 x h x w in [0, 1]."""

SCENE_PX = 1024
"""Height and width, in pixels, of what of a raster is taken for a scene."""
BLOCK_PX = 256
"""Cores of tiles are multiples of this where that is possible, as blocks of rasters are."""
CPU_TILE_BYTES = 768 * 2**20
"""Bytes that a tile may need on the CPU, of however many there are."""
ACTIVATIONS_PER_LIVE_ONE = 3
"""A forward pass makes so many times the numbers that it keeps at any time, or more."""


class Colorizer:
    """A generator, the device that it runs on, and how it is to be fed.

    Args:
        generator: B x 3 x H x W to B x 3 x H x W, both in [-1, 1]; it is copied.
        name: Of the model, for messages and metadata.
        digest: Of its weights.
        device: None: the GPU if there is one, else the CPU.
        precision: `fp32`; `bf16` and `fp16` are faster, and coarser than 16-bit files can show.
        tile: Height and width of the core of a tile in pixels; None: from the free memory.
        receptive_field: How far the generator looks; None: it is measured when that is needed.
        config: What is saved with the generator, see `nirgan.inference.models.pretrained`.

    Attributes:
        scale: Which camera values are black and white where nobody says: as it was trained.

    Raises:
        NirganError: The tile or the configuration's scale is none.
    """

    def __init__(
        self,
        generator: nn.Module,
        name: str = "",
        digest: str = "",
        *,
        device: str | torch.device | None = None,
        precision: Precision = "fp32",
        tile: int | None = None,
        receptive_field: ReceptiveField | None = None,
        config: dict[str, Any] | None = None,
    ) -> None:
        if tile is not None and tile < 1:
            raise NirganError(f"--tile {tile}: expected 1 or more pixels")
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        # The caller's goes on training, on the device that it is on.
        self.generator = copy.deepcopy(generator).eval().requires_grad_(False)
        self.generator.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.name, self.digest = name or type(generator).__name__, digest
        self.precision, self.tile = precision, tile
        self.config = config or {}
        trained = str(self.config.get("scale", "dtype"))
        of_model = f"the scale of the model {self.name} (--scale)"
        self.scale = Scale.parse(trained, "--scale" if trained == "dtype" else of_model)
        self._receptive_field = receptive_field

    def save_pretrained(self, folder: str | Path, card: str | None = None) -> None:
        """Write a folder that `nirgan.load` reads, and that can be uploaded to the hub.

        Args:
            folder: Made if need be.
            card: Its README.md; None writes one of what is known.

        Raises:
            NirganError: It cannot be written, or the model does not say of which class it is.
        """
        save(folder, self.generator, self.config, card)

    @property
    def title(self) -> str:
        """What made the colors, for metadata."""
        digest = f" ({self.digest})" if self.digest else ""
        return f"nirgan {__version__}, model {self.name}{digest}"

    @cached_property
    def receptive_field(self) -> ReceptiveField:
        """How far the generator looks."""
        if self._receptive_field is not None:
            return self._receptive_field
        on_cpu = self.device.type == "cpu"
        return measure_receptive_field(
            self.generator if on_cpu else copy.deepcopy(self.generator).cpu()
        )

    @property
    def by_scene(self) -> bool:
        """Whether rasters have to be cut into scenes, see `colorize_windows`."""
        return any(getattr(m, "by_scene", False) for m in self.generator.modules())

    def __call__(
        self,
        image: Any,
        scale: str | None = None,
        output: str | Path | Sequence[str | Path] | None = None,
        band: int | None = None,
    ) -> Any:
        """Colorize a picture, and give the same kind back.

        Args:
            image: A numpy array, tensor or PIL image, see `nirgan.inference.conversions`; the path
                of a picture; or a list of any of those.
            scale: Which values are black and white: `dtype`, `LOW,HIGH`, `percentile` or
                `percentile:LOW,HIGH`; None: as the model was trained, `self.scale`.
            output: The file to write, for a path; beside it, NAME_colour, if None. For a list of
                paths as many files, or a folder where their names are kept.
            band: The channel that is near-infrared, from 1 on; None: all of them hold it.

        Returns:
            The same kind, in color: of a path the path of the file written.

        Raises:
            NirganError: It is no picture that can be used, or `output` does not go with it.

        >>> import numpy as np
        >>> from nirgan import load
        >>> colorizer = load()
        >>> colorizer(np.full((60, 80), 128, np.uint8)).shape
        (60, 80, 3)
        """
        if isinstance(image, list | tuple):
            targets = _targets(image, output)
            return [self(one, scale, to, band) for one, to in zip(image, targets, strict=True)]
        if isinstance(output, list | tuple):
            raise NirganError(f"output: {len(output)} files for one picture, expected one")
        how = self.scale if scale is None else Scale.parse(scale)
        if isinstance(image, str | Path):
            return self._file(Path(image), how, output, band)
        if output is not None:
            raise NirganError(
                f"output: {printable_path(output)} is for paths; a {type(image).__name__} comes back as one"
            )
        handed = parse_input(image, band)
        limits = how.limits(handed.bands, "the picture")
        return handed.back(self.colorize_bands(limits.to_unit(handed.bands)))

    def _file(self, source: Path, scale: Scale, output: Any, band: int | None) -> Path:
        target = Path(output or source.with_stem(f"{source.stem}_colour"))
        if target.exists():
            raise NirganError(
                f"{printable_path(target)}: is there already; remove it or name an output"
            )
        picture = read(source, band=band)
        depth = 8 if picture.band.itemsize == 1 else 16
        check_target(target, depth, picture.alpha)
        rgb = self.colorize_picture(picture, scale.limits(picture.band, source), depth)
        write(target, rgb, depth=depth, title=self.title, metadata=picture.metadata)
        if not picture.turned:
            copy_georeference(source, target)
        return target

    def colorize_picture(
        self,
        picture: NirPicture,
        limits: Limits,
        depth: int,
        degrees: Pixels | None = None,
    ) -> Pixels:
        """Colorize a picture into what is written: beside both, memory of a fixed size is taken.

        Args:
            picture: H x W.
            limits: Of its camera values.
            depth: Bits a channel, 8 or 16.
            degrees: H x W of float32; takes the error that is to be expected.

        Returns:
            H x W x 3, or 4 where the picture has an alpha channel; uint8 or uint16.
        """
        height, width = picture.band.shape
        levels = empty_picture(height, width, depth, picture.alpha)

        def read(window: Rect) -> Tensor:
            return limits.to_unit(picture.band[window.inner]).unsqueeze(0)

        def write(window: Rect, colors: Tensor) -> None:
            levels[window.inner][..., :3] = to_levels(colors[0], depth)
            if degrees is not None:
                degrees[window.inner] = expected_error(colors)[0].numpy()

        self._by_tiles(height, width, read, write)
        return levels

    def colorize_bands(self, nir: Tensor) -> Tensor:
        """Colorize NIR bands.

        Args:
            nir: B x H x W in [0, 1].

        Returns:
            B x 3 x H x W in [0, 1], on the CPU.
        """
        count, height, width = nir.shape
        high, wide = padded_size(height, width, self.receptive_field.stride)
        at_once = max(1, self._pixels // (high * wide))
        rgb = torch.empty(count, 3, height, width)
        for first in range(0, count, at_once):
            some = slice(first, first + at_once)

            def read(window: Rect, some: slice = some) -> Tensor:
                return nir[some, *window.inner]

            def write(window: Rect, colors: Tensor, some: slice = some) -> None:
                rgb[some, :, *window.inner] = colors

            self._by_tiles(height, width, read, write)
        return rgb

    def colorize_windows(self, height: int, width: int, read: Read, write: Write) -> None:
        """Colorize a raster of which no more than a row of windows is in memory.

        A network that sees whole scenes is shown windows of `SCENE_PX` pixels that overlap by half,
        each as a picture of its own, and its colors fade from one into the next.

        Args:
            height: Of the raster.
            width: Likewise.
            read: Gives windows, which overlap; some twice, if the network looks at the whole.
            write: Takes windows, which cover the raster once, row by row.

        Raises:
            NirganError: A tile of the least size does not fit into the memory; nor does the
                raster, if the network looks at all of it in ways that cannot be divided.
        """
        if not self.by_scene:
            self._by_tiles(height, width, read, write)
            return
        blending = Blending(height, width, SCENE_PX)
        for window in blending.windows:
            for core, blended in blending.add(window, self.colorize_bands(read(window))):
                write(core, blended)

    def _by_tiles(self, height: int, width: int, read: Read, write: Write) -> None:
        size = padded_size(height, width, self.receptive_field.stride)
        core = self._core(*size)
        while True:
            try:
                return self._go(height, width, core, read, write)
            except (RuntimeError, MemoryError) as error:
                if not _of_memory(error):
                    raise
                core = (
                    min(core, *size)
                    // 2
                    // self.receptive_field.stride
                    * self.receptive_field.stride
                )
                if not core or self.receptive_field.radius is None:
                    raise NirganError(
                        f"{self.name}: a picture of {width}x{height} does not fit into the memory "
                        f"of {self.device}, not even in tiles; scale it down"
                    ) from error

    def _go(self, height: int, width: int, core: int, read: Read, write: Write) -> None:
        high, wide = padded_size(height, width, self.receptive_field.stride)
        tiles = list(tile_grid(high, wide, core, self.receptive_field.radius or 0))

        def shown(place: Tile) -> Tensor:
            window = Rect(
                min(place.top, height - 1),
                min(place.left, width - 1),
                min(place.bottom, height),
                min(place.right, width),
            )
            part = read(window).unsqueeze(1).to(self.device)
            down = place.bottom - place.top - part.shape[-2]
            across = place.right - place.left - part.shape[-1]
            return pad(part, (0, across, 0, down), mode="replicate") if down or across else part

        parts = len(tiles) > 1 and any(isinstance(m, GlobalLayer) for m in self.generator.modules())
        told = (
            global_statistics(self.generator, self._run, lambda: ((shown(p), p) for p in tiles))
            if parts
            else nullcontext()
        )
        with torch.inference_mode(), told:
            for place in tiles:
                top, left, bottom, right = place.core
                window = Rect(top, left, min(bottom, height), min(right, width))
                if window.bottom <= top or window.right <= left:
                    continue  # beyond the picture
                if parts:
                    set_tile(self.generator, place)
                colors = self._run(shown(place))
                inner = (
                    ...,
                    slice(top - place.top, window.bottom - place.top),
                    slice(left - place.left, window.right - place.left),
                )
                write(window, colors[inner].cpu())

    def _run(self, tile: Tensor) -> Tensor:
        """B x 1 x H x W to B x 3 x H x W, both in [0, 1], on the device."""
        triplet = (tile * 2 - 1).expand(-1, 3, -1, -1)
        kind = torch.float16 if self.precision == "fp16" else torch.bfloat16
        with torch.autocast(self.device.type, kind, enabled=self.precision != "fp32"):
            return signed_to_unit(self.generator(triplet)).clamp_(0, 1)

    def _core(self, high: int, wide: int) -> int:
        """Height and width of a tile's core for a picture of a size."""
        longest = max(high, wide)
        if self.receptive_field.radius is None:
            return longest
        if self.tile is not None:
            return -(-self.tile // self.receptive_field.stride) * self.receptive_field.stride
        if high * wide <= self._pixels:
            return longest
        core = int(self._pixels**0.5) - 2 * self.receptive_field.radius
        for step in (BLOCK_PX, self.receptive_field.stride):
            if core >= step and step % self.receptive_field.stride == 0:
                return core // step * step
        return self.receptive_field.stride

    @property
    def _pixels(self) -> int:
        """How many fit into what a tile may take of the memory."""
        if self.device.type == "cuda":
            free = torch.cuda.mem_get_info(self.device)[0] // 2
        else:
            free = min(psutil.virtual_memory().available // 4, CPU_TILE_BYTES)
        return int(
            free
            * ACTIVATIONS_PER_LIVE_ONE
            / (4 * max(self.receptive_field.activations_per_pixel, 1))
        )


def _targets(images: Sequence[Any], output: Any) -> Sequence[Any]:
    """Where each of several pictures is written.

    Raises:
        NirganError: As many files are not given, or two would be one.
    """
    if isinstance(output, str | Path):
        if not all(isinstance(image, str | Path) for image in images):
            raise NirganError(
                f"output: {printable_path(output)} is a folder for paths, not for arrays"
            )
        output = [Path(output) / Path(image).name for image in images]
    if output is None:
        return [None] * len(images)
    if len(output) != len(images):
        raise NirganError(f"output: {len(output)} files for {len(images)} pictures")
    if len({str(target) for target in output}) < len(output):
        raise NirganError("output: two pictures would be written to one file; name the files")
    return list(output)


def _of_memory(error: Exception) -> bool:
    """Whether memory is what was missing; on the CPU, torch says so in words alone."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "allocate memory" in str(error)
