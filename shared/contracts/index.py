"""Wire models of the index: how it is built, what snapshots there are, how it fares."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from shared.contracts.base import Choice, Request, Seed, Wire
from shared.contracts.codes import Codes
from shared.contracts.embedder import TrainingSettings
from shared.contracts.images import Tag
from shared.contracts.learning import Learning
from shared.contracts.query import Metric


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
    dry_run: bool = Field(
        False,
        description="Embed a sample of 500 pictures alone, and tell in the job's result, as "
        "`receipt`, what the new model would change and what that takes.",
    )

    @model_validator(mode="after")
    def _one_model(self) -> "ReembedRequest":
        if self.profile is not None and self.embedder is not None:
            raise ValueError("give either `profile` or `embedder`, not both")
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


class Reclustered(Wire):
    """Result of the last compaction that clustered drifted lists anew."""

    lists: int = Field(description="Clusters that had drifted, and were made anew.")
    clusters: int = Field(description="Number of clusters before.")
    moved: int = Field(description="Images that are in another cluster since.")
    compared: int = Field(
        description="Comparisons of an image with a centroid, at most; a build of all makes many "
        "times as many."
    )


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
    reclustered: Reclustered | None = Field(
        None, description="What the last compaction clustered anew; null: nothing since the build."
    )
    codes: Codes | None = Field(
        None,
        description="Form of the codes that choose what is compared exactly, if there are any.",
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
