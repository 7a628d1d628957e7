"""How color pictures are judged. All metrics take B x 3 x H x W in [0, 1]."""

from typing import Any

from torchmetrics import MetricCollection
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

from nirgan.metrics.angular_error import AngularError, UndefinedPixels
from nirgan.metrics.color_difference import CIEDE2000
from nirgan.metrics.colorfulness import ColorfulnessRatio
from nirgan.utils.color_spaces import COLORED_MIN_CHROMA

__all__ = [
    "CIEDE2000",
    "AngularError",
    "ColorfulnessRatio",
    "UndefinedPixels",
    "colorization_metrics",
]


def colorization_metrics(
    prefix: str, *, least_chroma: float = COLORED_MIN_CHROMA, sync_on_compute: bool = True
) -> MetricCollection:
    """What every method is judged by.

    PSNR and SSIM are means over pictures, with a data range fixed at 1: taken from the prediction,
    as some code does, it changes SSIM by several hundredths.

    Args:
        prefix: Put before each name, `val/` say.
        least_chroma: CIELAB chroma of the truth above which a pixel counts as colored.
        sync_on_compute: Gather from all ranks; otherwise each computes what it has seen itself.

    Returns:
        angular_error and angular_error_images (degrees), undefined_pixels; what grey pictures are
        not forgiven by: angular_error_colored (degrees, mean of pictures, where the truth has
        color), ciede2000, colorfulness (over that of the truth); psnr (dB), ssim.
    """
    sync: dict[str, Any] = {"sync_on_compute": sync_on_compute}
    return MetricCollection(
        {
            "angular_error": AngularError(**sync),
            "angular_error_images": AngularError(reduction="images", **sync),
            "undefined_pixels": UndefinedPixels(**sync),
            "angular_error_colored": AngularError(
                reduction="images", least_chroma=least_chroma, **sync
            ),
            "ciede2000": CIEDE2000(**sync),
            "colorfulness": ColorfulnessRatio(**sync),
            "psnr": PeakSignalNoiseRatio(data_range=1.0, dim=(1, 2, 3), **sync),
            "ssim": StructuralSimilarityIndexMeasure(data_range=1.0, **sync),
        },
        prefix=prefix,
    )
