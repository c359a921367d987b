"""Settings of an ingest."""

from dataclasses import dataclass

_MIB = 2**20


@dataclass(frozen=True)
class IngestSettings:
    """Concurrency of an ingest. `reads`: concurrent reads from a remote source."""

    batch: int = 32
    concurrency: int = 4
    max_image_bytes: int = 64 * _MIB
    batch_bytes: int = 64 * _MIB
    reads: int = 16
    max_video_bytes: int = 2**34
