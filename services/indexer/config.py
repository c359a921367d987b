"""Settings of the indexer, read from `ISE_<NAME>`."""

from pathlib import Path

from pydantic import Field, field_validator

from shared.settings import ServiceSettings


class IndexerSettings(ServiceSettings):
    database_url: str = Field("", description="SQLAlchemy URL; default: catalog.sqlite.")
    ingest_roots: list[Path] = Field(
        default_factory=list,
        description="JSON list of the folders that may be ingested when not bound to loopback.",
    )

    @field_validator("ingest_roots")
    @classmethod
    def _expanded(cls, roots: list[Path]) -> list[Path]:
        return [root.expanduser() for root in roots]

    embed_batch: int = Field(32, ge=1, le=64, description="Images in one call to the embedder.")
    embed_concurrency: int = Field(4, ge=1, le=64, description="Calls to the embedder at once.")
    embed_attempts: int = Field(
        8, ge=1, le=100, description="How often a job asks an embedder that is busy or away."
    )
    thumbnail_pixels: int = Field(320, ge=16, le=2048, description="Longer side, in pixels.")
    max_upload_files: int = Field(1000, ge=100)

    @property
    def catalog_url(self) -> str:
        return self.database_url or f"sqlite:///{(self.data_dir / 'catalog.sqlite').resolve()}"
