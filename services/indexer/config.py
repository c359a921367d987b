"""Settings of the indexer, read from `ISE_<NAME>`."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from shared.core.settings import ServiceSettings


class OcrMode(StrEnum):
    """Setting of when text in pictures is read."""

    AUTO = "auto"
    OFF = "off"


class IndexerSettings(ServiceSettings):
    """Settings of the indexer: sources, storage and background work."""

    database_url: SecretStr = Field(
        SecretStr(""), description="URL of the catalogue: postgresql+psycopg://… Default: SQLite."
    )
    lease_seconds: float = Field(
        30,
        ge=1,
        le=3600,
        description="Seconds after which the jobs of a worker that stopped are taken over.",
    )
    ingest_roots: list[Path | str] = Field(
        default_factory=list,
        description="JSON list of the folders and URLs that may be ingested if the service accepts "
        "other machines.",
    )
    source_protocols: list[str] = Field(
        default_factory=list,
        description="JSON list of additional fsspec protocols to read from, such as gs.",
    )
    source_reads: int = Field(
        16, ge=1, le=64, description="Pictures read concurrently from a remote source."
    )
    images_url: str = Field(
        "", description="Storage for uploads and thumbnails. Default: the data directory."
    )
    snapshots_to: str = Field(
        "", description="Object store that snapshots are copied to, for services on other machines."
    )
    fetch_hosts: list[str] = Field(
        [],
        description="Hosts of URLs in http manifests: names, `name:port`, `*.domain`, or `*`.",
    )
    fetch_seconds: float = Field(10, gt=0, description="Time limit for fetching a URL, in seconds.")

    @field_validator("ingest_roots")
    @classmethod
    def _expanded(cls, roots: list[Path | str]) -> list[Path | str]:
        return [
            root if isinstance(root, str) and "://" in root else Path(root).expanduser()
            for root in roots
        ]

    embed_batch: int = Field(32, ge=1, le=64, description="Images per request to the embedder.")
    embed_concurrency: int = Field(
        4, ge=1, le=64, description="Concurrent requests to the embedder."
    )
    embed_attempts: int = Field(
        8, ge=1, le=100, description="Attempts of a job to reach an embedder that doesn't answer."
    )
    ocr: OcrMode = Field(
        OcrMode.AUTO,
        description="Read the text in new pictures in the background: `auto` if the extra `ocr` is "
        "installed, or `off`.",
    )
    ocr_threads: int = Field(
        1, ge=1, le=64, description="Threads of the process that reads text in pictures."
    )
    max_video_bytes: int = Field(
        16 * 2**30,
        ge=0,
        description="Most bytes per video in a folder of this machine; it is read in parts. Videos "
        "elsewhere and uploads have the limit of pictures.",
    )
    video_frames: int = Field(
        8,
        ge=0,
        le=64,
        description="Key frames by which a video is found, at most, besides its poster; 0: none.",
    )
    learn_after: float = Field(
        60,
        ge=0,
        description="Seconds without changes or jobs after which new tags are learnt and drifted "
        "clusters rebuilt in the background; 0: never.",
    )
    trash_days: float = Field(
        30,
        ge=0,
        le=36_500,
        description="Days that deleted pictures can be restored for; 0: they are deleted for good.",
    )
    uploads_at_once: int = Field(
        256, ge=1, description="Number of uploads that arrive at which others are refused."
    )
    job_days: float = Field(
        30,
        gt=0,
        le=36_500,
        description="Days that ended jobs are listed for; the newest 100 stay longer.",
    )
    job_failures: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="Pictures that a job lists as failed; further ones are only counted.",
    )
    thumbnail_pixels: int = Field(320, ge=16, le=2048, description="Longer side, in pixels.")
    max_upload_files: int = Field(1000, ge=100)

    @property
    def catalog_url(self) -> str:
        """URL of the catalogue, by default of the SQLite file in the data directory."""
        return (
            self.database_url.get_secret_value()
            or f"sqlite:///{(self.data_dir / 'catalog.sqlite').resolve()}"
        )
