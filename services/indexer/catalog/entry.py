"""Catalogue entry of a new image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.indexer.catalog.locations import Place


@dataclass(frozen=True)
class Entry:
    """An image as it came in: its identity, one place, and what is said of it.

    `source`: the folder or manifest that it came from, if it did. `file`: the facts that its file
    tells; None: nobody looked. `has_sidecar`: some of them come from an XMP file beside it.
    """

    id: str
    sha256: str
    place: Place
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    file: Mapping[str, Any] | None = None
    has_sidecar: bool = False
