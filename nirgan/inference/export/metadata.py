"""What an exported file says about itself, in words for any program that can show them."""

from dataclasses import dataclass

from nirgan import __version__
from nirgan.data.scaling import Limits
from nirgan.inference.tiling import Reach

NOTE = (
    "Synthetic colours, made from near-infrared. Input nir, B x 1 x H x W, float32, camera values: "
    "low is black, high is white. Output rgb, B x 3 x H x W, float32, 0 to 1. Any size."
)


@dataclass(frozen=True)
class Facts:
    """About an exported model.

    Attributes:
        name: What it is called.
        digest: Of the weights that it was made of.
        limits: The camera values of black and white.
        reach: How far it looks; a halo of None if it has to be given pictures as a whole.
        by_scene: See `nirgan.networks.whole.LooksAtWhole`.
        scale: With which it was trained, see `nirgan.data.scaling.Scale.parse`.
    """

    name: str
    digest: str
    limits: Limits
    reach: Reach
    by_scene: bool = False
    scale: str = "dtype"

    def written(self) -> dict[str, str]:
        """As metadata."""
        facts = {
            "name": self.name,
            "digest": self.digest,
            "nirgan": __version__,
            "note": NOTE,
            "low": self.limits.low,
            "high": self.limits.high,
            "period": self.reach.period,
            "halo": "all" if self.reach.halo is None else self.reach.halo,
            "floats": self.reach.floats,
            "by_scene": self.by_scene,
            "scale": self.scale,
        }
        return {key: str(value) for key, value in facts.items()}

    @classmethod
    def read(cls, written: dict[str, str]) -> "Facts":
        """From metadata.

        Raises:
            KeyError, ValueError: They are another program's.
        """
        halo = written["halo"]
        reach = Reach(
            int(written["period"]), None if halo == "all" else int(halo), float(written["floats"])
        )
        limits = Limits(float(written["low"]), float(written["high"]))
        by_scene = written.get("by_scene") == "True"  # which older files do not have
        scale = written.get("scale", "dtype")  # likewise
        return cls(written["name"], written["digest"], limits, reach, by_scene, scale)
