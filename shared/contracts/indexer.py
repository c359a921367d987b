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
    ADDED = "added"
    EXISTS = "exists"
    FAILED = "failed"


class AddedItem(Wire):
    """Result of one uploaded file. `exists`: its bytes were there; tags were joined.

    `note`: what is wrong with a picture that was added all the same.
    """

    name: str
    id: str | None
    state: AddState
    error: str | None = None
    note: str | None = None


class Added(Wire):
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

    items: list[AddedItem]
    snapshot: int


class Rows(Choice):
    """How an index stores its vectors."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


TRANSFORM = r"^(auto|none|l2|pca:[1-9][0-9]{0,4})$"
TransformName = Annotated[str, StringConstraints(pattern=TRANSFORM)]


class BuildSettings(Request):
    """`clusters`: `auto`, or their number. `metric`: the one that clusters are made for.

    `transform`: what is done to features before they are compared. `none`; `l2`: brought to unit
    length; `pca:N`: that, and the N directions in which the collection varies most; `auto`: what
    measured best, see docs/RANKING.md.

    `rows`: how vectors are stored in the index; float16 halves the disk, and loses about three
    digits of a distance. The features themselves stay float32.
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
    """Request to switch to another model: that of a profile, or of another embedder."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"profile": "lite"}]})

    profile: Literal["lite", "mini", "classic"] | None = Field(
        None, description="A profile, which the embedder in use hosts beside its own models."
    )

    embedder: str | None = Field(
        None,
        description="One of the addresses in ISE_EMBEDDER_URL. Default: the embedder whose model "
        "differs from the index's.",
    )
    build: BuildSettings = Field(BuildSettings(), description="Settings of the new index.")

    @model_validator(mode="after")
    def _one_model(self) -> "ReembedRequest":
        if self.profile is not None and self.embedder is not None:
            raise ValueError("give either `profile` or `embedder`, not both")
        return self


class IngestRequest(Request):
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
    """An image of the catalogue. One that came as a vector has no `sha256` and 0 `bytes`."""

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

    id: str
    tags: list[str]
    uris: list[str]
    metadata: dict[str, Any]
    sha256: str
    bytes: int
    created_at: str
    notes: Notes = None


class ShapesRequest(Request):
    """Request for the shapes of images."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ids": ["d0ed203b490efa13b89928e082c3728f"]}]}
    )

    ids: Annotated[list[str], Field(max_length=1000)] = Field(description="Ids of images.")


class Shapes(Wire):
    """Width by height of each image, in the order of the ids; null where its file can't be read."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ratios": [1.5, 0.75, None]}]})

    ratios: list[float | None]


class Deleted(Wire):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": "d0ed203b490efa13b89928e082c3728f", "deleted": True}]
        }
    )

    id: str
    deleted: bool


class SnapshotInfo(Wire):
    number: int
    created_at: str
    reason: str
    images: int
    clusters: int
    model: str | None
    network: str | None
    current: bool


class Snapshots(Wire):
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

    snapshots: list[SnapshotInfo]


class IndexHealth(Wire):
    """How the index changed since its centroids were made.

    `additions`, `deleted`: shares of what is stored, until a compaction merges it. `imbalance`: how
    much more is scanned than with clusters of one size. `drift`: how far images lie from their
    cluster's centre, and `growth`: how many there are, relative to when the clusters were made.
    """

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

    snapshot: int
    images: int = 0
    clusters: int = 0
    segments: int = 0
    additions: float = 0.0
    deleted: float = 0.0
    imbalance: float = 1.0
    imbalance_at_build: float | None = None
    drift: float | None = None
    growth: float | None = None
    advice: str | None = Field(None, description="Recommended action, if any.")
    learning: Learning | None = Field(None, description="State of background learning.")


class CatalogStats(Wire):
    """`GET /v1/stats` of the indexer."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"images": 2500, "snapshot": 3, "segments": 4}]}
    )

    images: int
    snapshot: int
    segments: int
    learning: Learning | None = None
