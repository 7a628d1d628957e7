"""What an exported file says about itself, in words for any program that can show them."""

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
    """About an exported model.

    Attributes:
        name: What it is called.
        digest: Of the weights that it was made of.
        limits: The camera values of black and white.
        receptive_field: How far it looks; a halo of None if it has to be given pictures as a whole.
        by_scene: See `nirgan.networks.global_layers.GlobalLayer`.
        scale: With which it was trained, see `nirgan.data.scaling.Scale.parse`.
    """

    name: str
    digest: str
    limits: Limits
    receptive_field: ReceptiveField
    by_scene: bool = False
    scale: str = "dtype"

    def written(self) -> dict[str, str]:
        """As metadata."""
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
        """From metadata.

        Raises:
            KeyError, ValueError: They are another program's.
        """
        halo = written["halo"]
        receptive_field = ReceptiveField(
            int(written["period"]), None if halo == "all" else int(halo), float(written["floats"])
        )
        limits = Limits(float(written["low"]), float(written["high"]))
        by_scene = written.get("by_scene") == "True"  # which older files do not have
        scale = written.get("scale", "dtype")  # likewise
        return cls(written["name"], written["digest"], limits, receptive_field, by_scene, scale)
