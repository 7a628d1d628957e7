"""Metrics that score each picture, for log, tables and intervals alike."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class PerImageMetric(Metric):
    """The ratio of two sums over pictures.

    A mean of pictures has 1 in the denominator, a mean of pixels their number. A metric of this
    kind says in `score` what each picture adds to the sums.
    """

    is_differentiable = False
    full_state_update = False

    numerator: Tensor
    denominator: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("numerator", "denominator"):
            self.add_state(name, torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")

    @abstractmethod
    def score(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """What pictures, both B x 3 x H x W in [0, 1], add to the sums: two times B numbers."""

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add pictures, both B x 3 x H x W in [0, 1].

        Raises:
            ValueError: The shapes differ or are not B x 3 x H x W, or values lie outside [0, 1];
                or `score` gives something else.
        """
        scores = self.score(prediction, target)
        if [score.shape for score in scores] != [prediction.shape[:1]] * 2:
            raise ValueError(
                f"{type(self).__name__}.score gave {[tuple(score.shape) for score in scores]}, "
                f"expected two tensors of {len(prediction)} numbers, one a picture"
            )
        numerator, denominator = scores
        self.numerator += numerator.double().sum()
        self.denominator += denominator.double().sum()

    def compute(self) -> Tensor:
        """The value, float32; nan if nothing counts."""
        return self.value_from_sums(self.numerator, self.denominator).float()

    @staticmethod
    def value_from_sums(numerator: Tensor, denominator: Tensor) -> Tensor:
        """The value of the metric, from the sums over pictures."""
        return numerator / denominator


class MeanOfImages(PerImageMetric):
    """The mean of another metric's values over pictures.

    Args:
        metric: Takes prediction and target and gives a number for each picture, or one for all:
            then it is called for each picture.

    Example:
        >>> import torch
        >>> from torchmetrics import MeanSquaredError
        >>> metric = MeanOfImages(MeanSquaredError())
        >>> metric.update(torch.tensor([0.0, 0.5]).expand(3, 1, 2).mT[None], torch.ones(1, 3, 2, 1))
        >>> metric.compute()
        tensor(0.6250)
    """

    def __init__(self, metric: Callable[[Tensor, Tensor], Tensor], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metric = metric

    def score(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The metric's values, and ones."""
        pair = prediction.contiguous(), target.contiguous()  # some look at no other layout
        values = self._evaluate(*pair)
        if values.numel() != len(prediction):
            singles = zip(*(x[:, None] for x in pair), strict=True)
            values = torch.stack([self._evaluate(*single) for single in singles])
        return values.flatten(), torch.ones(len(prediction), device=prediction.device)

    def _evaluate(self, prediction: Tensor, target: Tensor) -> Tensor:
        value = self.metric(prediction, target)
        if isinstance(self.metric, Metric):
            self.metric.reset()
        return value
