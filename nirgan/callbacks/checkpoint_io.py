"""Checkpoint files that are written atomically, and read without running code."""

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from nirgan.utils.atomic_write import atomic_write
from nirgan.utils.safe_loading import load_checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a temporary file, syncs it and renames it: no checkpoint is ever half written."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            NirganError: It cannot be written; an older file of the same name is unchanged.
        """
        buffer = io.BytesIO()  # torch's own writer hides the system's error
        torch.save(checkpoint, buffer)
        with atomic_write(Path(path), sync=True, size=buffer.getbuffer().nbytes) as part:
            part.write_bytes(buffer.getbuffer())

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint onto the CPU; only tensors and plain values are accepted.

        Raises:
            NirganError: It cannot be read, or holds anything else.
        """
        return load_checkpoint(Path(path))


def newest_complete(files: Iterable[Path]) -> Path | None:
    """The newest checkpoint that is complete, or None."""
    return max(filter(is_zipfile, files), key=lambda file: file.stat().st_mtime, default=None)
