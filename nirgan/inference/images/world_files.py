"""Georeferences of PNGs and JPEGs in files beside them: world files, and GDAL's."""

import os
import re
from pathlib import Path

from nirgan.errors import NirganError
from nirgan.utils.atomic_write import atomic_write

GDAL_SUFFIX = ".aux.xml"
GEOREFERENCE_ELEMENTS = re.compile(rb"<(SRS|GeoTransform|GCPList)\b")
BAND_ELEMENTS = re.compile(
    rb"<PAMRasterBand\b.*?</PAMRasterBand>|<Metadata\b.*?</Metadata>", re.DOTALL
)

GEO_TAGS = {
    33550,  # ModelPixelScale
    33922,  # ModelTiepoint
    34264,  # ModelTransformation
    34735,  # GeoKeyDirectory
    42113,  # GDAL_NODATA
    50844,  # RPCCoefficient
}
"""Tags of a TIFF that itself says where it lies, or what is no data."""


def copy_georeference(source: Path, target: Path) -> None:
    """Copy the georeference files beside a picture to another picture of the same pixels.

    Raises:
        NirganError: It cannot be read or written.
    """
    try:
        if world := world_file(source):
            with atomic_write(target.with_suffix(_suffixes(target)[0])) as part:
                part.write_bytes(world.read_bytes())
        of_gdal = source.with_name(source.name + GDAL_SUFFIX)
        there = os.path.isfile(of_gdal)  # noqa: PTH113 (pathlib's raises for names that are too long)
        if there and GEOREFERENCE_ELEMENTS.search(content := of_gdal.read_bytes()):
            with atomic_write(target.with_name(target.name + GDAL_SUFFIX)) as part:
                part.write_bytes(BAND_ELEMENTS.sub(b"", content))  # statistics of other pixels
    except OSError as error:
        raise NirganError(
            f"{source}: what says where it lies cannot be copied ({error.strerror or error})"
        ) from error


def world_file(path: Path) -> Path | None:
    """The world file beside a picture, if there is one; its suffix is in lower or upper case."""
    suffixes = (cased for suffix in _suffixes(path) for cased in (suffix, suffix.upper()))
    beside = (path.with_suffix(suffix) for suffix in suffixes)  # no list of a folder of thousands
    return next((file for file in beside if os.path.isfile(file)), None)  # noqa: PTH113 (as above)


def _suffixes(path: Path) -> tuple[str, ...]:
    """Suffixes of world files, the usual one first: .pgw, .pngw, .wld for a .png."""
    if not (suffix := path.suffix.lower()):
        return (".wld",)
    return (f"{suffix[:2]}{suffix[-1]}w", f"{suffix}w", ".wld")
