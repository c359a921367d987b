"""Catalogue's knowledge of a file."""

from collections.abc import Set
from dataclasses import dataclass


@dataclass(frozen=True)
class KnownFile:
    """A file as last read, and its image.

    `versions`: version numbers, if a store has them. `tags`: keys of the image's tags. `is_known`:
    whether its features exist. `ctime_ns`: 0 if unknown.
    """

    image_id: str
    mtime_ns: int
    bytes: int
    versions: Set[int]
    tags: Set[str]
    is_known: bool
    ctime_ns: int = 0

    def is_still(
        self, mtime_ns: int, size: int, version: int | None = None, ctime_ns: int = 0
    ) -> bool:
        """Return whether the file is unchanged since it was recorded.

        `version`: its present number, if the store has one, because times may be in whole seconds.
        """
        same = (self.mtime_ns, self.bytes) == (mtime_ns, size)
        same = same and (self.ctime_ns == 0 or self.ctime_ns == ctime_ns)
        return same and (version is None or version in self.versions)
