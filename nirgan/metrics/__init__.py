"""How colour pictures are judged. All metrics take B x 3 x H x W in [0, 1]."""

from torchmetrics import MetricCollection
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

from nirgan.metrics.angular_error import AngularError, UndefinedPixels

__all__ = ["AngularError", "UndefinedPixels", "colorization_metrics"]


def colorization_metrics(prefix: str) -> MetricCollection:
    """What every method is judged by.

    PSNR and SSIM are means over pictures, with a data range fixed at 1: taken from the prediction,
    as some code does, it changes SSIM by several hundredths.

    Args:
        prefix: Put before each name, `val/` say.

    Returns:
        angular_error and angular_error_images (degrees), undefined_pixels, psnr (dB), ssim.
    """
    return MetricCollection(
        {
            "angular_error": AngularError(),
            "angular_error_images": AngularError(reduction="images"),
            "undefined_pixels": UndefinedPixels(),
            "psnr": PeakSignalNoiseRatio(data_range=1.0, dim=(1, 2, 3)),
            "ssim": StructuralSimilarityIndexMeasure(data_range=1.0),
        },
        prefix=prefix,
    )
