"""Settings of the query service, read from `ISE_<NAME>`."""

import os

from pydantic import Field

from shared.core.budget import MIB
from shared.core.settings import ServiceSettings


class QuerySettings(ServiceSettings):
    """Settings of the query service: limits on searches, uploads and callers."""

    recall_target: float = Field(0.95, gt=0, le=1, description="Default recall target of a search.")
    follow_seconds: float = Field(
        2, ge=0.1, description="Seconds between polls of ISE_SNAPSHOTS_FROM."
    )
    version_seconds: float = Field(
        10, gt=0, description="Time limit for waiting for a `min_version`, in seconds."
    )
    answer_seconds: float = Field(
        120, gt=0, description="Time limit for waiting for the embedder or indexer, in seconds."
    )
    max_searches: int = Field(100, ge=1, description="Most searches per batch.")
    search_queue: int = Field(
        0,
        ge=0,
        description="Number of running searches at which others are refused; 0: 16 per core.",
    )
    uploads_at_once: int = Field(
        256, ge=1, description="Number of uploads that arrive at which others are refused."
    )
    fetch_hosts: list[str] = Field(
        [], description="Hosts that `image_url` may name: names, `name:port`, `*.domain`, or `*`."
    )
    fetch_seconds: float = Field(10, gt=0, description="Time limit for fetching a URL, in seconds.")
    uploads_bytes: int = Field(
        256 * 1024 * 1024, ge=1, description="Memory for uploaded query pictures, in bytes."
    )
    upload_seconds: float = Field(
        3600, gt=0, description="Lifetime of an uploaded query picture, in seconds."
    )
    rate_limit: float = Field(
        0,
        ge=0,
        description="Requests per second of a key, or of an address without one; 0: no limit.",
    )
    rate_burst: int = Field(0, ge=0, description="Size of a burst; 0: the requests of ten seconds.")
    audit_share: float = Field(
        0.01, ge=0, le=1, description="Share of answers compared with an exact search; 0: none."
    )

    @property
    def kept_bytes(self) -> int:
        """Memory for uploaded query pictures: the setting, at most a quarter of all memory."""
        return min(self.uploads_bytes, self.memory * MIB // 4)

    @property
    def searches_at_once(self) -> int:
        """Limit of running searches: the setting, else by the number of cores."""
        return self.search_queue or 16 * (os.cpu_count() or 1)
