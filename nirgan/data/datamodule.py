"""The data module: from a data set to normalized batches on the device."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

import albumentations as A
import lightning
import numpy as np
import torch
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn
from torch.utils.data import DataLoader, Dataset, Sampler

from nirgan.data.batches import (
    PAPER_NOISE,
    TRAINING_NOISE_STREAM,
    VALIDATION_NOISE_STREAM,
    Batch,
    Noise,
    normalized,
)
from nirgan.data.data_snapshot import DataSnapshot
from nirgan.data.datasets import PatchDataset, RegionDataset, StoredBatch
from nirgan.data.patches import PatchBatchSampler, PatchTable, Region, ResumedSampler
from nirgan.data.protocols import (
    FOLDS,
    SplitProtocol,
    across_scenes,
    strip_patch,
    within_images,
)
from nirgan.data.scaling import hint_of_bits
from nirgan.data.sources.base import Pair, PairSource, gc_paused, pairs_of
from nirgan.data.store import PairStore, StoredPairs
from nirgan.data.transforms import Augmentation
from nirgan.errors import NirganError
from nirgan.utils.lightning_internals import epoch_and_batches_done

SCALE_CHECK_PAIRS, SCALE_CHECK_SIDE_PX = 64, 256
"""How many pairs are checked for the range of their values, and rows and columns of each."""

MAX_NAMED_PROBLEMS = 50
"""How many pairs that cannot be used are named."""

Crop = Literal["patch", "region"]
OnBadPair = Literal["error", "skip"]


class PatchDataModule(lightning.LightningDataModule):
    """Patches for training and validation, whole regions for testing and prediction.

    `fit` and `validate` see patches; `test` sees every validation pixel once, a whole region at a
    time; `predict` sees the whole pictures that the validation regions lie in.

    Args:
        source: The data set.
        protocol: `within-images` (the paper's: patches for both from all images, a band of each
            reserved for validation) or `across-scenes` (no scene is in both).
        fold: Which of the five folds `across-scenes` keeps for validation.
        unused_folds: Folds that `across-scenes` neither trains on nor judges, so that a
            choice made on one fold can be evaluated on another.
        patch: Height and width of a patch in pixels.
        train_patches: Training patches per epoch and category, drawn anew each epoch. The paper
            has cut 250,000 once; an epoch is such a set.
        val_patches: Validation patches per category, always the same.
        batch_size: Patches per batch and rank. The paper does not give its own.
        noise: Added to each of the three copies of the NIR band.
        crop: Input of `geometry` in training: a `patch`, whose size it keeps, or the whole `region`
            that a patch is drawn from, which it crops and scales to a patch.
        geometry: albumentations transforms for the pair.
        photometry: albumentations transforms for the NIR band alone.
        on_bad_pair: `error`: stop before training and name every pair that cannot be used; `skip`:
            name them and continue without them.
        store: The folder of decoded pairs; None: the environment variable NIRGAN_CACHE, or
            `~/.cache/nirgan`.
        num_workers: Loader processes. One process delivers tens of thousands of patches per second,
            so only a GPU needs any.
        seed: Seed of the training patches, their noise and the random numbers of methods.
        split_seed: Seed of what is evaluated: the validation bands, the folds of scenes that the
            source gives none, the validation patches and their noise. It is separate from `seed`,
            so that runs with several seeds are evaluated on the same data.

    Raises:
        NirganError: A count, the fold or a standard deviation is out of range.
    """

    def __init__(
        self,
        source: PairSource,
        protocol: SplitProtocol = "within-images",
        fold: int = 0,
        unused_folds: Sequence[int] = (),
        patch: int = 64,
        train_patches: int = 250_000,
        val_patches: int = 2_500,
        batch_size: int = 128,
        noise: Noise = PAPER_NOISE,
        crop: Crop = "patch",
        geometry: list[A.BasicTransform] | None = None,
        photometry: list[A.BasicTransform] | None = None,
        on_bad_pair: OnBadPair = "error",
        store: Path | None = None,
        num_workers: int = 0,
        seed: int = 0,
        split_seed: int = 0,
    ) -> None:
        super().__init__()
        _at_least(16, patch=patch)  # SSIM looks at windows of 11 pixels
        _at_least(1, train_patches=train_patches, val_patches=val_patches, batch_size=batch_size)
        _at_least(0, num_workers=num_workers)
        _at_least(0, **{f"noise.{name}": sigma for name, sigma in vars(noise).items()})
        _one_of(get_args(SplitProtocol), protocol=protocol)
        _one_of(get_args(Crop), crop=crop)
        _one_of(get_args(OnBadPair), on_bad_pair=on_bad_pair)
        for key, folds in (("fold", (fold,)), ("unused_folds", unused_folds)):
            if wrong := [one for one in folds if not 0 <= one < FOLDS]:
                raise NirganError(f"data.{key} is {wrong[0]}, expected 0 to {FOLDS - 1}")
        if fold in unused_folds:
            raise NirganError(f"data.unused_folds has fold {fold}, which data.fold says is judged")
        self.source, self.protocol, self.fold, self.patch = source, protocol, fold, patch
        self.unused_folds, self.on_bad_pair, self.crop = unused_folds, on_bad_pair, crop
        self.train_patches, self.val_patches = train_patches, val_patches
        self.batch_size, self.num_workers = batch_size, num_workers
        self.noise, self.seed, self.split_seed = noise, seed, split_seed
        self.augmentation = Augmentation(geometry or (), photometry or ())
        self.store = PairStore(store)
        self.images = StoredPairs(self.store, [])
        self.snapshot = DataSnapshot(self.images)
        self._built: StoredPairs | None = None
        self._strip_patch = patch
        self._trained_before: set[str] = set()
        self.nir_scale = source.nir_scale

    @property
    def pairs(self) -> Sequence[Pair]:
        """The pairs in use; known after `setup`."""
        return self.images.pairs

    @property
    def categories(self) -> list[str]:
        """The categories of the pairs in use, sorted; known after `setup`."""
        return sorted({pair.category for pair in self.pairs})

    def prepare_data(self) -> None:
        """Decode all pairs that are not in the store yet.

        Raises:
            NirganError: The trainer's precision or `overfit_batches` cannot be used, or a pair
                cannot be read.
        """
        if self.trainer is not None:
            _check_trainer(self.trainer)
        self._built = self.store.build(pairs_of(self.source, self.store.folder))

    @gc_paused()
    def setup(self, stage: str = "") -> None:
        """Check every pair, open the store and split it.

        Raises:
            NirganError: A pair cannot be used and `on_bad_pair` is `error`, or the protocol is
                not possible with these pairs.
        """
        if self.pairs:
            return
        found = self._built or self.store.open(pairs_of(self.source, self.store.folder))
        self.images = self._usable(found)
        self.snapshot = DataSnapshot(self.images)
        self.nir_scale = self._recorded_scale(warn=stage == "fit")
        pairs, sizes, seed = self.images.pairs, self.images.sizes, self.split_seed
        if self.protocol == "within-images":
            self._strip_patch = strip_patch(pairs, sizes, self.patch)
            regions = within_images(pairs, sizes, self._strip_patch, seed)
        else:
            regions = across_scenes(pairs, sizes, self.fold, seed, self.unused_folds)
        self.training, self.validation = regions

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints: the hash of every pair by its name, the scale of the band, the split.

        And the hashes of those that were trained on, earlier in the run too.
        """
        state = {"contents": self.snapshot.contents, "nir_scale": self.nir_scale}
        trained = sorted(self._hashes(self.training) | self._trained_before)
        return state | {"split": self._split(), "trained": trained}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Warn of another split of the same pictures, and in a resumed run of changed ones.

        Other verbs may use other data.
        """
        former, now = state_dict["split"], self._split()
        trained = {*state_dict["trained"]}
        # One picture more or less deals the scenes anew, with the same options.
        other = former != now or self.protocol == "across-scenes"
        if other and self._hashes(self.validation) & trained:
            self._warn_of_other_split(former, now)
        if self.trainer is not None and self.trainer.state.fn == TrainerFn.FITTING:
            self._trained_before = trained
            self.snapshot.warn_differences(state_dict["contents"])

    def _warn_of_other_split(self, former: Any, now: Any) -> None:
        keys = [key for key in former | now if former.get(key) != now.get(key)]
        diff = ", ".join(f"data.{k} {now.get(k)} for {former.get(k)}" for k in keys)
        rank_zero_warn(
            f"the checkpoint was trained with another split ({diff or 'of other pictures'}): what "
            "is judged here may be what it was trained on; give the options and pictures of its run"
        )

    def _hashes(self, regions: Sequence[Region]) -> set[str]:
        """The content of the pairs that regions lie in."""
        numbers = {region.pair for region in regions}
        return {self.snapshot.contents[self.pairs[number].name] for number in numbers}

    def _split(self) -> dict[str, Any]:
        """What decides which pixels are judged, given the pictures."""
        split = {"protocol": self.protocol, "split_seed": self.split_seed}
        if self.protocol == "within-images":
            return split | {"patch": self._strip_patch}
        return split | {"fold": self.fold}

    def train_dataloader(self) -> DataLoader[StoredBatch]:
        """Batches of patches, new ones every epoch, or the training regions.

        A method that is fitted in one pass has `trains_on = "regions"`. A resumed run continues at
        the batch where its checkpoint was written.
        """
        method = self.trainer and self.trainer.lightning_module
        if getattr(method, "trains_on", "patches") == "regions":
            regions = self.training_regions()
            return self._loader(regions.dataset, range(len(regions)), *self._resume_position())
        table = self._table(self.training)
        patches = self._patches(table, self.seed, self.augmentation, self.crop == "region")
        batches = PatchBatchSampler(
            self.train_patches * table.categories, self.batch_size, *self._rank(), training=True
        )
        if not len(batches):
            raise NirganError(
                f"data.train_patches={self.train_patches} is less than one batch of "
                f"data.batch_size={self.batch_size} a rank; raise the one or lower the other"
            )
        return self._loader(patches, batches, *self._resume_position())

    def val_dataloader(self) -> DataLoader[StoredBatch]:
        """This rank's share of the validation patches."""
        return self.validation_patches(*self._rank())

    def test_dataloader(self) -> DataLoader[StoredBatch]:
        """This rank's share of the validation regions."""
        return self._shared(self.validation)

    def validation_patches(self, rank: int = 0, ranks: int = 1) -> DataLoader[StoredBatch]:
        """Batches of validation patches, always the same: all, or one rank's share."""
        patches = self._validation()
        count = self.val_patches * patches.table.categories
        if count <= self.batch_size * (ranks - 1):
            raise NirganError(
                f"{count} validation patches are no batch of data.batch_size={self.batch_size} for "
                f"each of {ranks} processes; raise data.val_patches or lower that"
            )
        batches = PatchBatchSampler(count, self.batch_size, rank, ranks, training=False)
        return self._loader(patches, batches)

    def validation_batch(self, numbers: Sequence[int]) -> Batch:
        """The validation patches of some numbers, on the CPU."""
        return self.on_after_batch_transfer(self._validation()[list(numbers)], 0)

    def whole_pictures(self) -> list[Region]:
        """The whole pictures that contain the validation regions, in the order of their pairs."""
        numbers = sorted({region.pair for region in self.validation})
        return [Region(0, 0, *self.images.sizes[n], pair=n) for n in numbers]

    def region_batch(self, region: Region, number: int) -> Batch:
        """A region as a whole, a batch of one, on the CPU; its noise is that of batch `number`."""
        stored = RegionDataset(self.images, [region])[0]
        stored["number"] = number
        return self.on_after_batch_transfer(stored, 0)

    def training_regions(self) -> DataLoader[StoredBatch]:
        """All whole training regions, one per batch, on every rank."""
        return self._regions(self.training, 0, 1)

    def training_pictures(self) -> Iterator[Batch]:
        """Every training region as a whole, a batch of one each, on the CPU."""
        return (self.on_after_batch_transfer(region, 0) for region in self.training_regions())

    def validation_regions(self, rank: int = 0, ranks: int = 1) -> DataLoader[StoredBatch]:
        """Whole validation regions, one per batch: all, or one rank's share."""
        return self._regions(self.validation, rank, ranks)

    def predict_dataloader(self) -> DataLoader[StoredBatch]:
        """The whole pictures that contain the validation regions, one per batch."""
        return self._shared(self.whole_pictures())

    def on_after_batch_transfer(self, batch: StoredBatch, dataloader_idx: int) -> Batch:
        """Normalize to [-1, 1] and add noise, on the device.

        The noise depends only on the number of the batch and, in training, the seed; elsewhere,
        the seed of the split.
        """
        training = self.trainer is not None and self.trainer.training
        seed, stream = (
            (self.seed, TRAINING_NOISE_STREAM)
            if training
            else (self.split_seed, VALIDATION_NOISE_STREAM)
        )
        ready = normalized(batch, self.noise, seed, stream)
        if self.trainer is not None and self.trainer.precision == "64-true":
            return cast(Batch, self.trainer.precision_plugin.convert_input(ready))
        return ready

    def _usable(self, found: StoredPairs) -> StoredPairs:
        # within-images needs a training and a validation patch side by side
        width = self.patch * (2 if self.protocol == "within-images" else 1)
        problems = found.unusable(self.patch, width)
        if not problems:
            return found
        usable = sorted({*range(len(found))} - {*problems})
        report = [f"  {found.problem(n, self.patch, width)}" for n in problems[:MAX_NAMED_PROBLEMS]]
        if more := len(problems) - len(report):
            report.append(f"  and {more} more; `nirgan check` names them all")
        if self.on_bad_pair == "error" or not usable:
            raise NirganError(
                f"{len(problems)} of {len(found)} pairs cannot be used "
                "(mend them, or set data.on_bad_pair=skip):",
                *report,
            )
        rank_zero_warn("\n".join([f"{len(problems)} of {len(found)} pairs are left out:", *report]))
        return found.subset(usable)

    def _recorded_scale(self, warn: bool) -> str:
        """The scale of the band; the range of its type if the values suggest that one is missing.

        So a trained model is used with the scale of its training, unless the user gives another.
        """
        kind, some = self.images[0].dtype, []
        for number in range(0, len(self.images), -(-len(self.images) // SCALE_CHECK_PAIRS)):
            image = self.images[number]
            if image.dtype == kind:
                down, right = (1 + side // SCALE_CHECK_SIDE_PX for side in image.shape[:2])
                some.append(image[::down, ::right].reshape(-1, 4))
        values, nir_scale = np.concatenate(some), self.source.nir_scale
        for name, of in (("rgb", values[:, :3]), ("nir", values[:, 3])):
            if getattr(self.source, f"{name}_scale") != "dtype":
                continue
            hint = hint_of_bits(of, f"data.source.{name}_scale")
            if hint and warn:
                rank_zero_warn(f"{name.upper()} pictures: {hint}")
            if hint and name == "nir":
                nir_scale = f"0,{np.iinfo(kind).max if np.issubdtype(kind, np.integer) else 1}"
        return nir_scale

    def _table(self, regions: Sequence[Region]) -> PatchTable:
        wide = [region for region in regions if min(region.shape) >= self.patch]
        return PatchTable(wide, [pair.category for pair in self.pairs], self.patch)

    def _validation(self) -> PatchDataset:
        return self._patches(self._table(self.validation), self.split_seed, Augmentation())

    def _patches(
        self, table: PatchTable, seed: int, augmentation: Augmentation, whole: bool = False
    ) -> PatchDataset:
        numbers = {name: number for number, name in enumerate(self.categories)}
        categories = [numbers[pair.category] for pair in self.pairs]
        return PatchDataset(self.images, table, self.patch, seed, augmentation, categories, whole)

    def _shared(self, regions: Sequence[Region]) -> DataLoader[StoredBatch]:
        """This rank's share of some regions."""
        rank, ranks = self._rank()
        if len(regions) < ranks:
            raise NirganError(
                f"{len(regions)} pictures are fewer than the {ranks} processes that share them; "
                f"give --trainer.devices {len(regions)} or less"
            )
        return self._regions(regions, rank, ranks)

    def _regions(self, regions: Sequence[Region], rank: int, ranks: int) -> DataLoader[StoredBatch]:
        return self._loader(RegionDataset(self.images, regions), range(rank, len(regions), ranks))

    def _resume_position(self) -> tuple[int, int]:
        """The epoch in which a run goes on, and how many of its batches are done."""
        return epoch_and_batches_done(self.trainer) if self.trainer else (0, 0)

    def _rank(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _loader(
        self,
        dataset: Dataset[StoredBatch],
        sampler: Sampler[list[int]] | Sequence[int],
        epoch: int = 0,
        done: int = 0,
    ) -> DataLoader[StoredBatch]:
        return DataLoader(
            dataset,
            batch_size=None,  # the data set gives whole batches
            sampler=ResumedSampler(sampler, epoch, done),
            num_workers=self.num_workers,
            worker_init_fn=_leave_group if self.num_workers else None,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )


def _leave_group(worker: int) -> None:
    """Leave the process group, whose signals would end loaders before the state is saved."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()


def _check_trainer(trainer: lightning.Trainer) -> None:
    """Refuse what Lightning offers and patches cannot follow, before anything is decoded."""
    if trainer.precision not in (kinds := ("32-true", "bf16-mixed", "64-true")):
        raise NirganError(
            f"trainer.precision is {trainer.precision}, expected {', '.join(kinds)}: noise and "
            "losses need 32 bits"
        )
    if trainer.overfit_batches:  # type: ignore[attr-defined]
        raise NirganError(
            "trainer.overfit_batches has no effect on patches, which are drawn anew; "
            "use data.train_patches"
        )


def _at_least(least: int, **values: float) -> None:
    for name, value in values.items():
        if not value >= least:  # nan is neither
            raise NirganError(f"data.{name} is {value}, expected {least} or more")


def _one_of(words: Sequence[str], **values: str) -> None:
    for name, value in values.items():
        if value not in words:
            raise NirganError(f"data.{name} is {value!r}, expected {' or '.join(words)}")
