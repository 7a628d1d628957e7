"""The metadata of exported files, as pairs of strings that any program can show."""

from dataclasses import dataclass

from nirgan import __version__
from nirgan.data.scaling import Limits
from nirgan.inference.tiling import ReceptiveField

NOTE = (
    "Synthetic colors, made from near-infrared. Input nir, B x 1 x H x W, float32, camera values: "
    "low is black, high is white. Output rgb, B x 3 x H x W, float32, 0 to 1. Any size."
)


@dataclass(frozen=True)
class ExportMetadata:
    """The metadata of an exported model, most of which are those of a `Colorizer`.

    Attributes:
        limits: The camera values of black and white.
        receptive_field: Unlimited if it needs whole pictures.
    """

    name: str
    digest: str
    limits: Limits
    receptive_field: ReceptiveField
    by_scene: bool = False
    scale: str = "dtype"

    def written(self) -> dict[str, str]:
        """Convert to strings. The keys are those of the first version."""
        metadata = {
            "name": self.name,
            "digest": self.digest,
            "nirgan": __version__,
            "note": NOTE,
            "low": self.limits.low,
            "high": self.limits.high,
            "period": self.receptive_field.stride,
            "halo": "all" if self.receptive_field.radius is None else self.receptive_field.radius,
            "floats": self.receptive_field.activations_per_pixel,
            "by_scene": self.by_scene,
            "scale": self.scale,
        }
        return {key: str(value) for key, value in metadata.items()}

    @classmethod
    def read(cls, written: dict[str, str]) -> "ExportMetadata":
        """Parse the strings.

        Raises:
            KeyError, ValueError: They are from another program.
        """
        halo = written["halo"]
        receptive_field = ReceptiveField(
            int(written["period"]), None if halo == "all" else int(halo), float(written["floats"])
        )
        limits = Limits(float(written["low"]), float(written["high"]))
        by_scene = written.get("by_scene") == "True"  # which older files do not have
        scale = written.get("scale", "dtype")  # likewise
        return cls(written["name"], written["digest"], limits, receptive_field, by_scene, scale)
