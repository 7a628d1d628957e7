"""Colorization trained jointly with the classification of scenes.

Iizuka, Simo-Serra and Ishikawa 2016, section 3.3: the mean squared error of the colors, and the
cross-entropy of the scene's category with a weight of 1/300, which trains the global features. With
data of a single category, only the first is used.
"""

from collections.abc import Iterable
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.functional import cross_entropy, mse_loss

from nirgan.data.batches import Batch
from nirgan.errors import NirganError
from nirgan.networks.generators.iizuka import LAB_SPAN, Iizuka
from nirgan.tasks.training import GradientTask, MakeOptimizer, Schedule
from nirgan.utils.color_spaces import rgb_to_lab


class SceneClassesTask(GradientTask):
    """Mean squared error in CIELAB, and the category's cross-entropy.

    Args:
        generator: One with `known` and `features`, see `nirgan.networks.generators.iizuka`.
        classes: Number of categories, as many as the data have, or more.
        category_weight: Weight of the cross-entropy; the publication's is 1/300.
        optimizer: None: Adam with a learning rate of 1e-3.
        scheduler: See `nirgan.tasks.training.Schedule`.
        channels_last: Memory layout of the network; much faster with bf16.
    """

    generator: Iizuka

    def __init__(
        self,
        generator: nn.Module,
        classes: int = 9,
        category_weight: float = 1 / 300,
        optimizer: MakeOptimizer | None = None,
        scheduler: Schedule | None = None,
        channels_last: bool = False,
    ) -> None:
        super().__init__(generator, optimizer, scheduler, channels_last)
        self.require_attributes("known", "features")
        self.category_weight, self.trains_classifier = category_weight, True
        known = self.generator.known
        hidden = nn.Sequential(nn.Linear(known, known // 2, bias=False), nn.BatchNorm1d(known // 2))
        self.category = nn.Sequential(*hidden, nn.ReLU(), nn.Linear(known // 2, classes))
        self.classes = classes

    def on_fit_start(self) -> None:
        """Check the categories of the data, and the batch size.

        Raises:
            NirganError: There are more than `classes` categories, or batches of a single patch.
        """
        data = self.training_data
        there = data.categories
        if data.batch_size < 2:
            raise NirganError("data.batch_size is 1: batch norm of whole pictures needs 2 or more")
        if len(there) > self.classes:
            raise NirganError(
                f"model.classes is {self.classes}, but the data have {len(there)} categories "
                f"({', '.join(there)}); set it to {len(there)}"
            )
        self.trains_classifier = len(there) > 1 and self.category_weight > 0
        self.category.requires_grad_(self.trains_classifier)

    def compute_losses(self, batch: Batch) -> dict[str, Tensor]:
        """See `losses`."""
        lab, known = self.generator.features(batch["triplet"])
        return self.losses(lab, self.category(known), batch["rgb"], batch["category"])

    def losses(
        self, lab: Tensor, logits: Tensor, rgb: Tensor, category: Tensor
    ) -> dict[str, Tensor]:
        """The weighted losses by name."""
        with torch.autocast(rgb.device.type, enabled=False):
            truth = rgb_to_lab(rgb) - rgb.new_tensor([50.0, 0.0, 0.0]).view(3, 1, 1)
            span = rgb.new_tensor(LAB_SPAN).view(3, 1, 1)
            losses = {"color": mse_loss(lab.float(), truth / span)}
            if self.trains_classifier:
                wrong = cross_entropy(logits.float(), category)
                losses["category"] = self.category_weight * wrong
        return losses

    def trainable_parameters(self) -> Iterable[tuple[str, Parameter]]:
        """The parameters of the generator and of the classifier, by name."""
        category = self.category.named_parameters(prefix="category")
        return chain(super().trainable_parameters(), category)
