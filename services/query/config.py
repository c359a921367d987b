"""Settings of the query service, read from `ISE_<NAME>`."""

from pydantic import Field

from shared.settings import ServiceSettings


class QuerySettings(ServiceSettings):
    recall_target: float = Field(0.95, gt=0, le=1, description="When a search names no other.")
    audit_share: float = Field(
        0.01, ge=0, le=1, description="Share of answers checked against the exact one; 0: none."
    )
