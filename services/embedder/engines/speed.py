"""The measured speed of an engine, and the machine's limit for it."""

from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Speed:
    """Images per second of an engine, measured at its first start, and the machine's limit.

    `limit`: the peak of a matrix product, over the operations of one image; of int8: of fp32.
    """

    images_per_second: float
    limit: float

    @property
    def share(self) -> float:
        """The part of the limit that is reached."""
        return self.images_per_second / self.limit

    def __str__(self) -> str:
        return (
            f"{self.images_per_second:.1f} images per second, {self.share:.0%} of the "
            f"{self.limit:.1f} that a matrix product of this machine allows"
        )

    def stored(self) -> dict[str, float]:
        """Return its numbers, for a file."""
        return asdict(self)

    @classmethod
    def read(cls, content: Any) -> Self | None:
        """Return what `stored` gave, or None if that is damaged."""
        try:
            found = cls(float(content["images_per_second"]), float(content["limit"]))
        except (KeyError, TypeError, ValueError):
            return None
        return found if found.limit > 0 else None
