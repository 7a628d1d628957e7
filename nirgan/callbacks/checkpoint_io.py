"""Checkpoints that are on the disk whole, or not at all, and that run nothing when read."""

import errno
import io
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from nirgan.errors import NirganError
from nirgan.utils.safe_loading import load_checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the checkpoint's place, syncs, renames: the former one stays until then."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            NirganError: It cannot be written; a former one of the same name is as it was.
        """
        file = Path(path)
        part = file.with_name(f"{file.name}.part")
        buffer = io.BytesIO()  # torch's own writer hides what the disk said
        torch.save(checkpoint, buffer)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as stream:
                stream.write(buffer.getbuffer())
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(file)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            why = error.strerror
            if error.errno == errno.ENOSPC:
                size = buffer.getbuffer().nbytes
                missing = max(0, size - shutil.disk_usage(file.parent).free)
                why = f"no space left: it has {_mega(size)}, and {_mega(missing)} more are needed"
            kept = "; the former one is whole" if file.exists() else ""
            raise NirganError(f"{file}: cannot be written ({why}){kept}") from error
        _sync_folder(file.parent)

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint onto the CPU, as tensors and plain values whatever is asked for.

        Raises:
            NirganError: It cannot be read, or holds anything else.
        """
        return load_checkpoint(Path(path))


def newest_complete(files: Iterable[Path]) -> Path | None:
    """The checkpoint written last of those that are not cut short, or None."""
    return max(filter(is_zipfile, files), key=lambda file: file.stat().st_mtime, default=None)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # no folder is opened on Windows
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _mega(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
