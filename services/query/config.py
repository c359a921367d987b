"""Settings of the query service, read from `ISE_<NAME>`."""

from pydantic import Field

from shared.settings import ServiceSettings


class QuerySettings(ServiceSettings):
    recall_target: float = Field(0.95, gt=0, le=1, description="When a search names no other.")
    max_searches: int = Field(100, ge=1, description="Searches in one batch.")
    fetch_hosts: list[str] = Field(
        [], description="Where `image_url` may point: names, `name:port`, `*.domain`, or `*`."
    )
    fetch_seconds: float = Field(10, gt=0, description="For one picture by URL.")
    uploads_bytes: int = Field(
        256 * 1024 * 1024, ge=1, description="Pictures kept to be searched by, all together."
    )
    upload_seconds: float = Field(3600, gt=0, description="How long each of these is kept.")
    audit_share: float = Field(
        0.01, ge=0, le=1, description="Share of answers checked against the exact one; 0: none."
    )
