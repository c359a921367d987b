"""Catalogue's knowledge of a file."""

from collections.abc import Set
from dataclasses import dataclass


@dataclass(frozen=True)
class KnownFile:
    """A file as it was when it was last read, and the image that it held.

    `versions`: their numbers, where a store tells them. `tags`: the keys of the image's.
    `is_known`: whether its features are there. `ctime_ns`: 0 where it isn't known.
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

        `version`: its number now, where a store tells one: its times may be of whole seconds.
        """
        same = (self.mtime_ns, self.bytes) == (mtime_ns, size)
        same = same and (self.ctime_ns == 0 or self.ctime_ns == ctime_ns)
        return same and (version is None or version in self.versions)
