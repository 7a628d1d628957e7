"""Methods that transfer colors from reference pictures: the training pictures, or given ones."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from nirgan.data.batches import Batch
from nirgan.data.images import read_rgb, stored_to_signed
from nirgan.errors import NirganError
from nirgan.tasks.closed_form import ClosedFormTask

LUMA = (0.299, 0.587, 0.114)
"""Brightness of red, green and blue (ITU-R BT.601)."""


class ByExampleTask(ClosedFormTask):
    """Gives a generator its reference pictures.

    Args:
        generator: One with `update`, as `Welsh` and `Irony` in `nirgan.networks.generators`.
        references: Color pictures that are used instead of the training regions. Their brightness
            is used as their NIR band, which suits objects of similar brightness in both.

    Raises:
        NirganError: The list is empty.
    """

    def __init__(self, generator: nn.Module, references: list[Path] | None = None) -> None:
        super().__init__(generator)
        if references == []:
            raise NirganError("model.references is empty: name color pictures, or set it to null")
        self.references = references

    def setup(self, stage: str) -> None:
        """Read the references that replace the training regions.

        Raises:
            NirganError: A reference cannot be read.
        """
        super().setup(stage)
        if stage == "fit" and self.references is not None:
            self.pictures = [read(path) for path in self.references]

    def examples(self, batch: Batch) -> Iterable[tuple[Tensor, Tensor]]:
        """The training region, or all references, after which the run ends."""
        if self.references is None:
            return super().examples(batch)
        self.trainer.should_stop = True
        return ((luma(rgb).to(self.device), rgb.to(self.device)) for rgb in self.pictures)


def read(path: Path) -> Tensor:
    """A color picture, 1 x 3 x H x W in [-1, 1]."""
    pixels = torch.from_numpy(read_rgb(path))
    return stored_to_signed(pixels).permute(2, 0, 1)[None]


def luma(rgb: Tensor) -> Tensor:
    """Brightness of B x 3 x H x W in [-1, 1], B x 1 x H x W in the same range."""
    return (rgb * rgb.new_tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)
