"""Wire models of the indexer."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from shared.contracts.annotations import (
    MAX_TAG,
    MAX_TAGS,
    METADATA_TOLD,
    TAGS_TOLD,
    Metadata,
    Notes,
    check_tags,
)
from shared.contracts.base import Choice, Request, Seed, Wire
from shared.contracts.embedder import TrainingSettings
from shared.contracts.learning import Learning
from shared.contracts.query import Metric

Tag = Annotated[str, Field(min_length=1, max_length=MAX_TAG)]
Tags = Annotated[
    list[Tag], Field(max_length=MAX_TAGS, description=TAGS_TOLD), AfterValidator(check_tags)
]


class TagsFrom(Choice):
    """Origin of an ingest's tags."""

    FOLDER = "folder"
    MANIFEST = "manifest"
    NONE = "none"


class AddState(StrEnum):
    """Result of adding a file. `exists`: its bytes were known."""

    ADDED = "added"
    EXISTS = "exists"
    FAILED = "failed"


class AddedItem(Wire):
    """Result of one uploaded file."""

    name: str = Field(description="Name of the uploaded file.")
    id: str | None = Field(description="Id of the image; null: the file failed.")
    state: AddState = Field(
        description="Result: `exists` if its bytes were known, in which case tags were merged."
    )
    error: str | None = Field(None, description="Error, in one sentence.")
    note: str | None = Field(None, description="Damage of a picture that was added nevertheless.")


class Added(Wire):
    """Result of an upload."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "name": "castle.jpg",
                            "id": "d0ed203b490efa13b89928e082c3728f",
                            "state": "added",
                            "error": None,
                            "note": "The file ends early; 97 % of it was read.",
                        },
                        {
                            "name": "notes.jpg",
                            "id": None,
                            "state": "failed",
                            "error": "The file is empty.",
                            "note": None,
                        },
                    ],
                    "snapshot": 4,
                }
            ]
        }
    )

    items: list[AddedItem] = Field(description="Result of each file, in order.")
    snapshot: int = Field(description="Number of the snapshot that contains them.")


class Rows(Choice):
    """How an index stores its vectors."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


TRANSFORM = r"^(auto|none|l2|pca:[1-9][0-9]{0,4})$"
TransformName = Annotated[str, StringConstraints(pattern=TRANSFORM)]


class BuildSettings(Request):
    """Settings of a build. `transform: auto` is the best measured choice, see docs/RANKING.md.

    `rows: float16` halves the posting lists, and loses about three digits of a distance; stored
    features stay float32.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"clusters": "auto", "metric": "cosine"}]}
    )

    clusters: Literal["auto"] | Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        "auto", description="Number of clusters; `auto` chooses it by the size of the collection."
    )
    metric: Metric = Field(Metric.COSINE, description="Metric that the clusters are made for.")
    transform: TransformName = Field(
        "auto",
        description="Feature transform: `none`; `l2`: normalise to unit length; `pca:N`: normalise "
        "and project to N principal components; `auto`: the best measured choice.",
    )
    rows: Rows = Field(
        Rows.FLOAT32, description="Number format of stored vectors; float16 takes half the disk."
    )
    seed: Seed = Field(0, description="Random seed of the clustering.")
    drop_missing: bool = Field(
        False,
        description="After a model change, drop images whose files can't be read; otherwise such a "
        "build fails.",
    )


class ReembedRequest(Request):
    """Request to switch to another embedder's model."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"embedder": "http://127.0.0.1:8012"}]}
    )

    embedder: str | None = Field(
        None,
        description="One of the addresses in ISE_EMBEDDER_URL. Default: the embedder whose model "
        "differs from the index's.",
    )
    build: BuildSettings = Field(BuildSettings(), description="Settings of the new index.")


class IngestRequest(Request):
    """Request to ingest or sync a source."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"source": "/home/me/Pictures", "clusters": "auto"}]}
    )

    source: Annotated[str, Field(min_length=1)] = Field(
        description="A folder, a .tar or .zip archive, or a manifest (CSV, JSONL, or a text of "
        "paths and URLs): an absolute path, s3://bucket/folder, or the http URL of a manifest."
    )
    tags_from: TagsFrom | None = Field(
        None, description="Default: `manifest` for a manifest, else `folder`."
    )
    build: bool = Field(
        True,
        description="Rebuild the index afterwards; a sync does so only if the collection was "
        "empty.",
    )
    clusters: Literal["auto"] | Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        "auto", description="Number of clusters; `auto` chooses it by the size of the collection."
    )
    confined: bool = Field(
        False, description="Accept only sources in ISE_INGEST_ROOTS, even if any folder is allowed."
    )
    sync: bool = Field(
        False, description="Follow the source: also apply moved, changed and deleted files."
    )
    dry_run: bool = Field(
        False, description="With `sync`: only plan; the job's result contains the plan."
    )
    force: bool = Field(
        False,
        description="With `sync`: delete all missing pictures, even half of the files or whole "
        "folders.",
    )
    force_in: list[str] = Field(
        default_factory=list,
        max_length=1000,
        description="With `sync`: folders whose pictures are deleted even if all of them are "
        "missing, by their paths in the source.",
    )

    exclude: list[Annotated[str, Field(min_length=1, max_length=1000)]] = Field(
        default_factory=list,
        max_length=1000,
        description="Exclude files by .gitignore patterns, in addition to those of `.iseignore` "
        "files. A sync treats excluded files as deleted.",
    )
    follow_links: bool = Field(
        False, description="Follow symbolic links to folders, within the allowed roots."
    )

    @model_validator(mode="after")
    def _options_of_sync(self) -> Self:
        if (self.dry_run or self.force or self.force_in) and not self.sync:
            raise ValueError("`dry_run`, `force` and `force_in` belong to a sync: add `sync`")
        return self


class TrainMatchingRequest(Request):
    """Request to train the matching network."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"settings": {"epochs": 40, "seed": 0}}]}
    )

    settings: TrainingSettings = Field(TrainingSettings(), description="Training parameters.")
    hold_out: list[Tag] = Field(
        default_factory=list,
        max_length=1000,
        description="Tags to exclude from training, so that `ise eval` can measure unseen terms.",
    )


class ImagePatch(Request):
    """Change of an image: given fields replace the old ones, the others stay."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tags": ["castle", "favourite"]}]})

    tags: Tags | None = Field(None, description="New tags; they replace the current ones.")
    metadata: Metadata | None = Field(
        None,
        description=f"New metadata; they replace the current ones. {METADATA_TOLD}",
    )


class Image(Wire):
    """An image of the catalogue."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "d0ed203b490efa13b89928e082c3728f",
                    "tags": ["castle", "night"],
                    "uris": ["castle/07.jpg"],
                    "metadata": {"album": "trip"},
                    "sha256": "d0ed203b490efa13b89928e082c3728f5a7bb4d5a0b4cf0f1c2b8a5a6f2a9d11",
                    "bytes": 18342,
                    "created_at": "2026-11-22T05:43:50+00:00",
                }
            ]
        }
    )

    id: str = Field(description="Id of the image.")
    tags: list[str] = Field(description="Tags of the image.")
    uris: list[str] = Field(description="All paths and URLs of the image.")
    metadata: dict[str, Any] = Field(description="Metadata of the image.")
    sha256: str = Field(description="SHA-256 of the file; empty: imported as a vector.")
    bytes: int = Field(description="Size of the file; 0: imported as a vector.")
    created_at: str = Field(description="Time of its addition, ISO 8601.")
    notes: Notes = None


class ShapesRequest(Request):
    """Request for the shapes of images."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ids": ["d0ed203b490efa13b89928e082c3728f"]}]}
    )

    ids: Annotated[list[str], Field(max_length=1000)] = Field(description="Ids of images.")


class Shapes(Wire):
    """Aspect ratios of images."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ratios": [1.5, 0.75, None]}]})

    ratios: list[float | None] = Field(
        description="Width by height of each image, in the order of the ids; null: its file can't "
        "be read."
    )


class Deleted(Wire):
    """Result of a deletion."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": "d0ed203b490efa13b89928e082c3728f", "deleted": True}]
        }
    )

    id: str = Field(description="Id of the image.")
    deleted: bool = Field(description="Always true.")


class SnapshotInfo(Wire):
    """A snapshot."""

    number: int = Field(description="Number of the snapshot.")
    created_at: str = Field(description="Time of publication, ISO 8601.")
    reason: str = Field(description="Reason for its publication.")
    images: int = Field(description="Number of images.")
    clusters: int = Field(description="Number of clusters.")
    model: str | None = Field(description="Fingerprint of the model.")
    network: str | None = Field(description="Fingerprint of the matching network.")
    current: bool = Field(description="Whether it is in use.")


class Snapshots(Wire):
    """List of snapshots."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "snapshots": [
                        {
                            "number": 3,
                            "created_at": "2026-11-22T05:44:10+00:00",
                            "reason": "build",
                            "images": 2500,
                            "clusters": 64,
                            "model": "mini-bd7a04c10886955e",
                            "network": "match-8dc9c57327bb6d9f",
                            "current": True,
                        }
                    ]
                }
            ]
        }
    )

    snapshots: list[SnapshotInfo] = Field(description="Snapshots, the newest first.")


class IndexHealth(Wire):
    """Changes of the index since its clusters were made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "snapshot": 12,
                    "images": 2620,
                    "clusters": 64,
                    "segments": 3,
                    "additions": 0.05,
                    "deleted": 0.01,
                    "imbalance": 1.31,
                    "imbalance_at_build": 1.28,
                    "drift": 1.02,
                    "growth": 1.05,
                    "advice": None,
                }
            ]
        }
    )

    snapshot: int = Field(description="Number of the current snapshot.")
    images: int = Field(0, description="Number of images.")
    clusters: int = Field(0, description="Number of clusters.")
    segments: int = Field(0, description="Number of segment files.")
    additions: float = Field(0.0, description="Share of rows in segments that are not merged yet.")
    deleted: float = Field(0.0, description="Share of stored rows that were deleted.")
    imbalance: float = Field(1.0, description="Rows scanned, relative to clusters of equal size.")
    imbalance_at_build: float | None = Field(
        None, description="Imbalance when the clusters were made."
    )
    drift: float | None = Field(
        None, description="Mean distance to the centroid, relative to when the clusters were made."
    )
    growth: float | None = Field(
        None, description="Number of images, relative to when the clusters were made."
    )
    advice: str | None = Field(None, description="Recommended action, if any.")
    learning: Learning | None = Field(None, description="State of background learning.")


class CatalogStats(Wire):
    """`GET /v1/stats` of the indexer."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"images": 2500, "snapshot": 3, "segments": 4}]}
    )

    images: int = Field(description="Number of images in the catalogue.")
    snapshot: int = Field(description="Number of the current snapshot.")
    segments: int = Field(description="Number of segment files.")
    learning: Learning | None = Field(None, description="State of background learning.")
