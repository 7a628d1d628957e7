"""`Colorizer`: applies a trained generator to pictures of any kind and size, tile by tile."""

import copy
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import psutil
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from nirgan import __version__
from nirgan.data.decoding.tiff import tags_of
from nirgan.data.images import Pixels, signed_to_unit
from nirgan.data.scaling import Limits, Scale
from nirgan.errors import NirganError
from nirgan.inference.conversions import convert, to_levels
from nirgan.inference.images.files import (
    JPEG,
    NirPicture,
    check_target,
    empty_picture,
    read,
    write,
    write_degrees,
)
from nirgan.inference.images.world_files import GEO_TAGS, copy_georeference
from nirgan.inference.models.pretrained import write_model
from nirgan.inference.tiling import (
    ReceptiveField,
    blend,
    measure_receptive_field,
    padded_size,
    tile_grid,
)
from nirgan.inference.uncertainty import expected_error
from nirgan.networks.global_layers import Tile, global_statistics, set_tile
from nirgan.utils.recording import UnknownArgumentsError, describe
from nirgan.utils.rect import Rect

Precision = Literal["fp32", "bf16", "fp16"]
Read = Callable[[Rect], Tensor]
"""Reads a part of the bands, B x h x w in [0, 1]."""
Write = Callable[[Rect, Tensor], None]
"""Writes the colors of a part, B x 3 x h x w in [0, 1]."""

SCENE_PX = 1024
"""Height and width in pixels of the windows of a raster that a generator sees as scenes."""
CORE_MULTIPLE_PX = 256
"""Cores of tiles are multiples of this where possible, as the blocks of rasters are."""
CPU_TILE_BYTES = 256 * 2**20
"""Memory in bytes that a tile may take on the CPU, at most. Larger tiles are slower, in part
because glibc takes every tensor above 32 MiB from the system anew."""
ACTIVATIONS_PER_LIVE_ONE = 3
"""Activations of a forward pass for each one that is in memory at the same time, at least."""


class Colorizer:
    """Applies a generator to pictures.

    Args:
        generator: B x 3 x H x W to B x 3 x H x W, both in [-1, 1]; it is copied.
        name: Name of the model, for messages and metadata.
        digest: Hash of its weights, likewise.
        device: None: the GPU if there is one, else the CPU.
        precision: `fp32`; `bf16` and `fp16` are faster, and coarser than 16-bit files can show.
        tile: Height and width of the core of a tile in pixels; None: from the free memory.
        receptive_field: That of the generator; None: it is measured when it is needed.
        config: What is saved with the generator, see `nirgan.inference.models.pretrained`.

    Attributes:
        scale: The default of which camera values are black and white: as in training.

    Raises:
        NirganError: The tile, the precision or the configuration's scale is invalid.
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
        if tile is not None and (not isinstance(tile, int) or tile < 1):
            raise NirganError(f"--tile {tile}: expected 1 or more pixels")
        if precision not in get_args(Precision):
            raise NirganError(f"precision {precision}: expected {', '.join(get_args(Precision))}")
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        # The caller's generator stays as it is, on its device.
        self.generator = copy.deepcopy(generator).eval().requires_grad_(False)
        self.generator.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.name, self.digest = name or type(generator).__name__, digest
        self.precision, self.tile = precision, tile
        self.config = dict(config or {"name": self.name})
        if config is None:
            with suppress(UnknownArgumentsError):  # then `save_pretrained` raises
                self.config["generator"] = describe(generator)
        trained = str(self.config.get("scale", "dtype"))
        of_model = f"the scale of the model {self.name} (--scale)"
        self.scale = Scale.parse(trained, "--scale" if trained == "dtype" else of_model)
        if receptive_field is not None:
            self.receptive_field = receptive_field

    def save_pretrained(self, folder: str | Path, card: str | None = None) -> None:
        """Write a folder that `nirgan.load` reads, and that can be uploaded to the hub.

        Args:
            folder: Created if needed; a model.safetensors, config.json and README.md in it are
                replaced.
            card: Its README.md; None generates one.

        Raises:
            NirganError: It cannot be written, or the class of the generator is not known.
        """
        write_model(folder, self.generator, self.config, card)

    @property
    def title(self) -> str:
        """Name and version of the model, for metadata."""
        digest = f" ({self.digest})" if self.digest else ""
        return f"nirgan {__version__}, model {self.name}{digest}"

    @cached_property
    def receptive_field(self) -> ReceptiveField:
        """The receptive field of the generator."""
        generator = self.generator if self.device.type == "cpu" else copy.deepcopy(self.generator)
        return measure_receptive_field(generator.cpu())

    @property
    def by_scene(self) -> bool:
        """Whether rasters are cut into scenes, see `colorize_windows`."""
        return any(getattr(m, "by_scene", False) for m in self.generator.modules())

    def __call__(
        self,
        image: Any,
        scale: str | None = None,
        output: str | Path | None = None,
        band: int | None = None,
    ) -> Any:
        """Colorize a picture; returns the kind of object that was given.

        Args:
            image: A numpy array, tensor or PIL image, see `nirgan.inference.conversions`; the path
                of a picture; or a list of any of those.
            scale: Which values are black and white: `dtype`, `LOW,HIGH`, `percentile` or
                `percentile:LOW,HIGH`; None: as the model was trained, `self.scale`.
            output: The file to write, for a path, or a folder for one of the same name; None:
                NAME_color beside it. For a list of paths, a folder.
            band: The channel that is near-infrared, from 1 on; None: all of them hold it.

        Returns:
            The same kind, in color; for a path, the path of the file that was written.

        Raises:
            NirganError: The picture cannot be used, or `output` does not match it.

        >>> import numpy as np
        >>> from nirgan import load
        >>> colorizer = load()
        >>> colorizer(np.full((60, 80), 128, np.uint8)).shape
        (60, 80, 3)
        """
        if isinstance(image, list | tuple):
            targets = _targets(image, output)
            return [self(one, scale, to, band) for one, to in zip(image, targets, strict=True)]
        if not isinstance(scale, str | None):
            raise NirganError(f'scale {scale}: expected text, as "0,4095" or "percentile"')
        how = self.scale if scale is None else Scale.parse(scale)
        if isinstance(image, str | Path):
            return self._file(Path(image), how, output, band)
        if output is not None:
            raise NirganError(
                f"output: {output} is for paths; a {type(image).__name__} comes back as one"
            )

        def colorize_values(bands: Pixels) -> Tensor:
            units = [how.limits(one, "the picture").to_unit(one) for one in bands]
            return self.colorize_bands(torch.stack(units))

        return convert(image, band, colorize_values)

    def _file(self, source: Path, scale: Scale, output: Any, band: int | None) -> Path:
        target = Path(output or source.with_stem(f"{source.stem}_color"))
        target = target / source.name if target.is_dir() else target
        if target.exists():
            raise NirganError(f"{target}: is there already; remove it or name an output")
        if tags_of(source) & GEO_TAGS:
            raise NirganError(
                f"{source}: a GeoTIFF, whose place and holes `python -m nirgan "
                "colorize` keeps; use that, or give its band as an array"
            )
        self.colorize_file(read(source, band=band), source, target, scale)()
        return target

    def colorize_file(
        self,
        picture: NirPicture,
        source: Path,
        target: Path,
        scale: Scale,
        depth: int | None = None,
        uncertainty: Path | None = None,
    ) -> Callable[[], None]:
        """Colorize a picture that was read from a file.

        Returns:
            A function that writes the colors, and the expected error to `uncertainty`, if given.
        """
        jpeg = target.suffix.lower() in JPEG
        depth = depth or (8 if picture.band.itemsize == 1 or jpeg else 16)
        check_target(target, (*picture.band.shape, 3 + (picture.alpha is not None)), depth)
        if uncertainty:
            check_target(uncertainty, (*picture.band.shape, 1), 32)
        limits = scale.limits(picture.band, source)
        degrees = np.empty(picture.band.shape, np.float32) if uncertainty else None
        levels = self.colorize_picture(picture, limits, depth, degrees)
        metadata = picture.metadata  # not the band, which is large

        def write_all() -> None:
            if uncertainty and degrees is not None:
                write_degrees(uncertainty, degrees, self.title)
            if metadata.orientation == 1:  # else its rows are not those of the file
                copy_georeference(source, target)
            write(target, levels, self.title, metadata)  # last, since it says that all is there

        return write_all

    def colorize_picture(
        self,
        picture: NirPicture,
        limits: Limits,
        depth: int,
        degrees: Pixels | None = None,
    ) -> Pixels:
        """Colorize a picture into an array for writing, with a bounded amount of further memory.

        It has 8 or 16 bits per channel, of which there are four where the picture has an alpha
        channel. `degrees` is an array, H x W float32, that the expected angular error is written
        to.
        """
        height, width = picture.band.shape
        levels = empty_picture(height, width, depth, picture.alpha)

        def read(window: Rect) -> Tensor:
            return limits.to_unit(picture.band[window.inner]).unsqueeze(0)

        def write(window: Rect, colors: Tensor) -> None:
            levels[window.inner][..., :3] = to_levels(colors[0], depth)
            if degrees is not None:
                degrees[window.inner] = expected_error(colors)[0].numpy()

        self._colorize_region(height, width, read, write)
        return levels

    def colorize_bands(self, nir: Tensor) -> Tensor:
        """Colorize NIR bands: B x H x W to B x 3 x H x W on the CPU, both in [0, 1]."""
        count, height, width = nir.shape
        high, wide = padded_size(height, width, self.receptive_field.stride)
        at_once = max(1, self._max_tile_pixels // (high * wide))
        rgb = torch.empty(count, 3, height, width)
        for first in range(0, count, at_once):
            some = slice(first, first + at_once)

            def read(window: Rect, some: slice = some) -> Tensor:
                return nir[some, *window.inner]

            def write(window: Rect, colors: Tensor, some: slice = some) -> None:
                rgb[some, :, *window.inner] = colors

            self._colorize_region(height, width, read, write)
        return rgb

    def colorize_windows(self, height: int, width: int, read: Read, write: Write) -> None:
        """Colorize a raster with no more than a row of windows in memory.

        A generator with `by_scene` gets windows of `SCENE_PX` pixels that overlap by half, each as
        a picture of its own, whose colors are blended.

        Windows that are read overlap, and are read twice if there are global layers; those that
        are written cover the raster once, row by row.

        Raises:
            NirganError: The smallest tile does not fit into memory, or the whole raster, if the
                receptive field is unlimited.
        """
        if not self.by_scene:
            self._colorize_region(height, width, read, write)
            return
        blended = blend(height, width, SCENE_PX, lambda part: self.colorize_bands(read(part)))
        for window, colors in blended:
            write(window, colors)

    def _colorize_region(self, height: int, width: int, read: Read, write: Write) -> None:
        size = padded_size(height, width, self.receptive_field.stride)
        core = self._core_side(*size)
        while True:
            try:
                return self._colorize_tiles(height, width, core, read, write)
            except (RuntimeError, MemoryError) as error:
                known = isinstance(error, MemoryError | torch.OutOfMemoryError)
                if not known and "allocate memory" not in str(error):  # torch's on the CPU
                    raise
                half = min(core, *size) // 2
                core = half - half % self.receptive_field.stride
                if not core or self.receptive_field.radius is None:
                    raise NirganError(
                        f"{self.name}: a picture of {width}x{height} does not fit into the memory "
                        f"of {self.device}, not even in tiles; scale it down"
                    ) from error

    def _colorize_tiles(self, height: int, width: int, core: int, read: Read, write: Write) -> None:
        high, wide = padded_size(height, width, self.receptive_field.stride)
        tiles = list(tile_grid(high, wide, core, self.receptive_field.radius or 0))
        picture = Rect(0, 0, height, width)

        def padded(tile: Tile) -> Tensor:
            rect = tile.input_rect
            part = read(rect & picture).unsqueeze(1).to(self.device)
            down, across = (a - b for a, b in zip(rect.shape, part.shape[-2:], strict=True))
            return pad(part, (0, across, 0, down), mode="replicate") if down or across else part

        parts = len(tiles) > 1
        stats = global_statistics(
            self.generator, self._run, lambda: ((padded(t), t) for t in tiles)
        )
        with torch.inference_mode(), stats if parts else nullcontext():
            for tile in tiles:
                window = tile.core & picture
                if min(window.shape) <= 0:
                    continue  # beyond the picture
                if parts:
                    set_tile(self.generator, tile)
                colors = self._run(padded(tile))
                write(window, colors[..., *window.within(tile.input_rect)].cpu())

    def _run(self, tile: Tensor) -> Tensor:
        """B x 1 x H x W to B x 3 x H x W, both in [0, 1], on the device."""
        triplet = (tile * 2 - 1).expand(-1, 3, -1, -1)
        kind = torch.float16 if self.precision == "fp16" else torch.bfloat16
        with torch.autocast(self.device.type, kind, enabled=self.precision != "fp32"):
            return signed_to_unit(self.generator(triplet)).clamp_(0, 1)

    def _core_side(self, high: int, wide: int) -> int:
        """Height and width of the core of a tile, for the size of a picture."""
        longest = max(high, wide)
        if self.receptive_field.radius is None:
            return longest
        if self.tile is not None:
            return -(-self.tile // self.receptive_field.stride) * self.receptive_field.stride
        if high * wide <= self._max_tile_pixels:
            return longest
        core = int(self._max_tile_pixels**0.5) - 2 * self.receptive_field.radius
        for step in (CORE_MULTIPLE_PX, self.receptive_field.stride):
            if core >= step and step % self.receptive_field.stride == 0:
                return core // step * step
        return self.receptive_field.stride

    @property
    def _max_tile_pixels(self) -> int:
        """How many pixels a tile may have, by the free memory."""
        if self.device.type == "cuda":
            free = torch.cuda.mem_get_info(self.device)[0] // 2
        else:
            free = min(psutil.virtual_memory().available // 4, CPU_TILE_BYTES)
        live_bytes = 4 * max(self.receptive_field.activations_per_pixel, 1)
        return int(free * ACTIVATIONS_PER_LIVE_ONE / live_bytes)


def _targets(images: Sequence[Any], folder: str | Path | None) -> Sequence[Path | None]:
    """The output file of each picture, None for the usual one.

    Raises:
        NirganError: Some are no paths, or two have the same output.
    """
    if folder is None:
        return [None] * len(images)
    if not all(isinstance(image, str | Path) for image in images):
        raise NirganError(f"output: {folder} is a folder for paths, not for arrays")
    targets = [Path(folder) / Path(image).name for image in images]
    if len({*targets}) < len(targets):
        raise NirganError(f"output: two pictures would be one file in {folder}; rename one")
    return targets
