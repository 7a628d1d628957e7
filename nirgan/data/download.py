"""Downloads and unpacks the EPFL RGB-NIR scenes."""

import shutil
import time
import urllib.request
import zipfile
import zlib
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from uuid import uuid4

from tqdm import tqdm

from nirgan.data.sources.epfl import CATEGORIES, EXTENSIONS
from nirgan.errors import NirganError
from nirgan.utils.atomic_write import make_folder

ARCHIVE_URL = "https://ivrlwww.epfl.ch/supplementary_material/cvpr11/nirscene1.zip"
ARCHIVE_BYTES = 952_431_486
MAX_UNPACKED_BYTES = 8 * 1024**3
"""Bytes that an archive may unpack to; the original holds about 1.4 GB."""

MAX_TRIES = 5
CHUNK_BYTES = 1 << 20


def fetch(file: Path, url: str = ARCHIVE_URL, size: int = ARCHIVE_BYTES, wait: float = 2.0) -> None:
    """Download a file, going on where an earlier download broke off.

    Args:
        file: Where it goes; what is there so far lies beside it as `.part`.
        url: Where it comes from.
        size: Its size in bytes.
        wait: Seconds before the first new try; they double with each.

    Raises:
        NirganError: It cannot be reached, or is not of that size. What has come is kept.
    """
    if file.is_file() and file.stat().st_size == size:
        return
    make_folder(file.parent)
    part = file.with_name(file.name + ".part")
    broken: Exception | None = None
    have = 0
    for attempt in range(MAX_TRIES):
        if attempt:
            time.sleep(wait * 2 ** (attempt - 1))
        try:
            _continue(part, url, size)
        except (OSError, HTTPException) as failure:
            broken = failure
        have = part.stat().st_size if part.is_file() else 0
        if have == size:
            part.replace(file)
            return
        if have > size:
            part.unlink()
            raise NirganError(f"{url}: more than the {size} bytes expected; has the file changed?")
    raise NirganError(
        f"{url}: broke off at {have} of {size} bytes ({broken or 'the connection closed'}); "
        "the same command goes on from there, or give a copy with --archive"
    )


def _continue(part: Path, url: str, size: int) -> None:
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        if have and answer.status != 206:  # a server that knows no ranges sends it all again
            have = 0
        with (
            part.open("ab" if have else "wb") as out,
            tqdm(total=size, initial=have, unit="B", unit_scale=True, desc=part.stem) as bar,
        ):
            while chunk := answer.read(CHUNK_BYTES):
                out.write(chunk)
                bar.update(len(chunk))


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the pictures of a local archive into `folder`, all of them or nothing.

    Args:
        archive: A zip file that holds `<category>/<id>_{rgb,nir}.<ext>`, at any depth.
        folder: Where the nine category folders go; it must not exist.

    Raises:
        NirganError: The archive is damaged, would write outside the folder, unpacks to more than
            `MAX_UNPACKED_BYTES` bytes, or lacks pairs, or the folder cannot be written to.
    """
    if folder.exists():
        raise NirganError(f"{folder}: it is there already; move it away to unpack anew")
    make_folder(folder.parent)
    beside = folder.with_name(f".{folder.name}-{uuid4().hex[:12]}")
    try:
        beside.mkdir()
        with zipfile.ZipFile(archive) as packed:
            members = _pictures(archive, packed)
            _count(archive, list(members.values()))
            for member, place in tqdm(members.items(), desc="unpacking", unit="file"):
                (beside / place).parent.mkdir(exist_ok=True)
                with packed.open(member) as source, (beside / place).open("wb") as out:
                    shutil.copyfileobj(source, out, CHUNK_BYTES)
        beside.replace(folder)
    except OSError as error:
        raise NirganError(
            f"{archive}: cannot be unpacked into {folder.parent} ({error}); make room there, or "
            "name another --root"
        ) from error
    except (zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        # A member that is encrypted or packed in an unknown way is a RuntimeError.
        raise NirganError(
            f"{archive}: cannot be unpacked ({error}); remove it to fetch it anew"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _pictures(archive: Path, packed: zipfile.ZipFile) -> dict[zipfile.ZipInfo, Path]:
    members = {}
    for member in packed.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        link = (member.external_attr >> 16) & 0o170000 == 0o120000
        if path.is_absolute() or ".." in path.parts or link:
            raise NirganError(f"{archive}: refused, {member.filename!r} points outside its folder")
        if len(path.parts) < 2 or path.parts[-2] not in CATEGORIES or path.name.startswith("._"):
            continue  # ._NAME is what macOS adds to archives
        if path.suffix.lower() in EXTENSIONS:
            members[member] = Path(*path.parts[-2:])
    total = sum(member.file_size for member in members)
    if total > MAX_UNPACKED_BYTES:
        raise NirganError(
            f"{archive}: refused, it unpacks to {total} bytes, more than {MAX_UNPACKED_BYTES}"
        )
    return members


def _count(archive: Path, places: Sequence[Path]) -> None:
    for category, expected in CATEGORIES.items():
        stems = {place.stem for place in places if place.parent.name == category}
        pairs = {s[:-4] for s in stems if s.endswith("_nir") and s[:-4] + "_rgb" in stems}
        if len(pairs) != expected:
            raise NirganError(
                f"{archive}: {len(pairs)} pairs of {category}, expected {expected}; "
                "is it the whole nirscene1 archive?"
            )
