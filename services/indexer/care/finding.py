"""Fault found in a file of a data directory."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """Kind of a fault, which decides what can be done about it.

    Metadata: more of it, or of tags, than is taken in today. Tombstone: a deletion that was lost.
    Tombstones: their file.
    """

    CATALOGUE = "catalogue"
    CURRENT = "current"
    MANIFEST = "manifest"
    SEGMENT = "segment"
    LABELS = "labels"
    FEATURES = "features"
    CANARY = "canary"
    NETWORK = "network"
    UPLOAD = "upload"
    TOMBSTONE = "tombstone"
    TOMBSTONES = "tombstones"
    METADATA = "metadata"
    UNSUMMED = "unsummed"
    BEHIND = "behind"
    STRAY = "stray"


_HARMLESS = (Kind.METADATA, Kind.UNSUMMED, Kind.BEHIND, Kind.STRAY)


@dataclass(frozen=True)
class Finding:
    """One sentence on one thing.

    Harmless: answers leave out what they can't give, a stray takes space, a file of an older
    version has no sum, and what a killed process left behind is caught up with at the next start.
    """

    kind: Kind
    path: Path
    sentence: str

    @property
    def is_harmless(self) -> bool:
        return self.kind in _HARMLESS
