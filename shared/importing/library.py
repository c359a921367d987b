"""Another application's pictures, and what it knows of each."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from shared.contracts import annotations

FAVOURITE = "favourite"
"""Tag of the pictures that somebody marked as such."""
MOST_BYTES = 2**29
"""Longest file that is downloaded; what an indexer takes is usually less."""
_LONGEST_TEXT = 4000


@dataclass(frozen=True)
class Asset:
    """A picture in a library.

    key: its identity there. name: its file's name. version: differs whenever the library says
    something else of it. tags: valid ones. description: "" for none. taken_at: ISO 8601, local
    time. place: latitude and longitude in degrees. is_doubtful: the time and the place count only
    where the file itself tells none. sidecar: the XMP file that is beside it, instead of both.
    read: returns its bytes; raises OSError, ISEError.
    """

    key: str
    name: str
    version: str
    read: Callable[[], bytes] = field(compare=False)
    tags: tuple[str, ...] = ()
    description: str = ""
    taken_at: str | None = None
    place: tuple[float, float] | None = None
    is_doubtful: bool = False
    sidecar: bytes | None = None


class Library(Protocol):
    """Application or folder to import from."""

    @property
    def kind(self) -> str:
        """Return its name, as `ise import-from` takes it."""

    @property
    def where(self) -> str:
        """Return its address or path, which tells it from others of its kind."""

    def assets(self) -> Iterator[Asset]:
        """Yield every picture. Raises InvalidInput, Unauthorized, Unavailable."""

    def close(self) -> None:
        """End its connections, if it has any; `read` of its assets fails afterwards."""


def tags_of(*groups: Iterable[object]) -> tuple[str, ...]:
    """Return those of some names that can be tags, each once.

    Names come from outside, so one that no collection takes is cut or left out, never an error.
    """
    found: dict[str, None] = {}
    for name in (name for group in groups for name in group):
        if not isinstance(name, str):
            continue
        text = " ".join(name.split())[: annotations.MAX_TAG].strip()
        if text and annotations.text_fault(text) is None:
            found[text] = None
    return tuple(found)[: annotations.MAX_TAGS]


def description_of(*texts: object) -> str:
    """Return the first text that says something, or ""."""
    for text in texts:
        if isinstance(text, str) and text.strip() and annotations.text_fault(text) is None:
            return text.strip()[:_LONGEST_TEXT]
    return ""


def place_of(latitude: object, longitude: object) -> tuple[float, float] | None:
    """Return a place on Earth; None for what is none. 0, 0 is what applications write for none."""
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180) or latitude == longitude == 0:
        return None
    return float(latitude), float(longitude)
