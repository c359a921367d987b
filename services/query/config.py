"""Settings of the query service, read from `ISE_<NAME>`."""

import os

from pydantic import Field

from shared.core.settings import ServiceSettings


class QuerySettings(ServiceSettings):
    recall_target: float = Field(0.95, gt=0, le=1, description="When a search names no other.")
    follow_seconds: float = Field(
        2, ge=0.1, description="How often ISE_SNAPSHOTS_FROM is looked at for what is new."
    )
    version_seconds: float = Field(
        10, gt=0, description="How long a search may wait for its `min_version`."
    )
    answer_seconds: float = Field(
        120, gt=0, description="How long a search may wait for the embedder or the indexer."
    )
    max_searches: int = Field(100, ge=1, description="Searches in one batch.")
    search_queue: int = Field(
        0, ge=0, description="Searches in hand at which further ones are turned away; 0: 16 a core."
    )
    fetch_hosts: list[str] = Field(
        [], description="Where `image_url` may point: names, `name:port`, `*.domain`, or `*`."
    )
    fetch_seconds: float = Field(10, gt=0, description="For one picture by URL.")
    uploads_bytes: int = Field(
        256 * 1024 * 1024, ge=1, description="Pictures kept to be searched by, all together."
    )
    upload_seconds: float = Field(3600, gt=0, description="How long each of these is kept.")
    rate_limit: float = Field(
        0, ge=0, description="Requests a second of one key, or address without one; 0: no limit."
    )
    rate_burst: int = Field(
        0, ge=0, description="Requests at once within it; 0: those of ten seconds."
    )
    audit_share: float = Field(
        0.01, ge=0, le=1, description="Share of answers checked against the exact one; 0: none."
    )

    @property
    def searches_at_once(self) -> int:
        """The limit as set, else by the processor."""
        return self.search_queue or 16 * (os.cpu_count() or 1)
