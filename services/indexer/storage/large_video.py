"""Videos that are too large to be read into memory."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LargeVideo:
    """Video that isn't read into memory. digest: its SHA-256. poster: a JPEG. head: what tells its
    facts."""

    digest: str
    poster: bytes
    head: bytes
