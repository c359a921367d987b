"""Settings of the indexer, read from `ISE_<NAME>`."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from shared.core.settings import ServiceSettings


class IndexerSettings(ServiceSettings):
    database_url: SecretStr = Field(
        SecretStr(""), description="postgresql+psycopg://…; default: catalog.sqlite."
    )
    lease_seconds: float = Field(
        30, ge=1, le=3600, description="After so long others go on with what an ended worker did."
    )
    ingest_roots: list[Path | str] = Field(
        default_factory=list,
        description="JSON list of the folders and URLs that may be ingested when not bound to "
        "loopback.",
    )
    source_protocols: list[str] = Field(
        default_factory=list,
        description="JSON list of protocols of fsspec to read beside the usual ones, such as gs.",
    )
    source_reads: int = Field(
        16, ge=1, le=64, description="Pictures read at once from a source that isn't on this disk."
    )
    images_url: str = Field(
        "", description="Where uploads and thumbnails are kept; default: the data directory."
    )
    snapshots_to: str = Field(
        "", description="Where what is published is copied to, for services on other machines."
    )
    fetch_hosts: list[str] = Field(
        [], description="Hosts of http lists: names, `name:port`, `*.domain`, or `*`."
    )
    fetch_seconds: float = Field(10, gt=0, description="For one picture by URL.")

    @field_validator("ingest_roots")
    @classmethod
    def _expanded(cls, roots: list[Path | str]) -> list[Path | str]:
        return [
            root if isinstance(root, str) and "://" in root else Path(root).expanduser()
            for root in roots
        ]

    embed_batch: int = Field(32, ge=1, le=64, description="Images in one call to the embedder.")
    embed_concurrency: int = Field(4, ge=1, le=64, description="Calls to the embedder at once.")
    embed_attempts: int = Field(
        8, ge=1, le=100, description="How often a job asks an embedder that is busy or away."
    )
    learn_after: float = Field(
        60,
        ge=0,
        description="Seconds without a change or a job after which new tags are learnt and drifted "
        "clusters made anew in the background; 0: never.",
    )
    trash_days: float = Field(
        30,
        ge=0,
        le=36_500,
        description="Days that deleted pictures can be restored for; 0: they are deleted for good.",
    )
    thumbnail_pixels: int = Field(320, ge=16, le=2048, description="Longer side, in pixels.")
    max_upload_files: int = Field(1000, ge=100)

    @property
    def catalog_url(self) -> str:
        return (
            self.database_url.get_secret_value()
            or f"sqlite:///{(self.data_dir / 'catalog.sqlite').resolve()}"
        )
