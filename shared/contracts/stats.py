"""Statistics of the query service and its collection."""

from pydantic import ConfigDict, Field

from shared.contracts.base import Wire
from shared.contracts.calibration import Calibration
from shared.contracts.learning import Learning
from shared.contracts.metric import Metric as Metric


class RecallPoint(Wire):
    """Measured recall and the work that it takes."""

    nprobe: int = Field(description="Number of nearest clusters.")
    reach: float | None = Field(
        None,
        description="Largest squared distance of a cluster from the query beyond that of "
        "the nearest one; null: no limit.",
    )
    depth: int | None = Field(
        None, description="Number of rows that codes choose for comparison; null: all."
    )
    recall: float = Field(description="Recall of the exact top k.")
    scanned_fraction: float = Field(description="Share of all images that is scanned.")


class RecallCurve(Wire):
    """Recall of a sample of queries, measured at build time."""

    space: str = Field(description="Space of the vectors: `visual` or `joint`.")
    metric: Metric = Field(description="Metric of the search.")
    k: int = Field(description="Number of nearest images.")
    queries: int = Field(description="Number of sampled queries.")
    points: list[RecallPoint] = Field(
        description="Points at which every query probes `nprobe` clusters."
    )
    by_reach: list[RecallPoint] = Field(
        default_factory=list,
        description="Points at which each query probes the clusters within a radius. "
        "`recall_target` chooses the point of both lists that scans the least.",
    )

    def least_work(self, target: float) -> RecallPoint | None:
        """Return the point with the least scanning that reaches a recall; None if there is none."""
        reaching = (p for p in (*self.by_reach, *self.points) if p.recall >= target)
        return min(reaching, key=lambda point: point.scanned_fraction, default=None)


class LiveRecall(Wire):
    """Measured and expected recall of a sample of answers."""

    queries: int = Field(description="Number of checked answers.")
    measured: float = Field(description="Their mean recall.")
    expected: float = Field(description="Mean of the recall that was expected of them.")


class Drift(Wire):
    """Change of the embedder's features of a built-in picture since the index was built."""

    model: str = Field(description="Fingerprint of the model.")
    distance: float = Field(
        description="Cosine distance between the present features and those at build time."
    )
    served: bool = Field(
        description="Whether the distance is small enough for searches by picture."
    )


class Stats(Wire):
    """Statistics of the collection."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "images": 2500,
                    "clusters": 64,
                    "tags": 100,
                    "snapshot": 3,
                    "model": "mini-bd7a04c10886955e",
                    "network": "match-8dc9c57327bb6d9f",
                    "metric": "cosine",
                    "dim": 256,
                    "recall_curve": [
                        {
                            "space": "visual",
                            "metric": "cosine",
                            "k": 10,
                            "queries": 256,
                            "points": [{"nprobe": 6, "recall": 0.953, "scanned_fraction": 0.092}],
                        }
                    ],
                }
            ]
        }
    )

    images: int = Field(description="Number of images.")
    clusters: int = Field(description="Number of clusters.")
    tags: int = Field(description="Number of tags.")
    snapshot: int = Field(description="Number of the current snapshot.")
    model: str | None = Field(
        description="Fingerprint of the model; null: the collection is empty."
    )
    network: str | None = Field(description="Fingerprint of the matching network; null: none.")
    metric: Metric = Field(description="Metric that the index was built for.")
    dim: int | None = Field(description="Length of a `vector`.")
    recall_curve: list[RecallCurve] = Field(
        description="Recall measured at build time, by space, metric and k."
    )
    calibration: list[Calibration] = Field(
        default_factory=list,
        description="Mapping of scores to probabilities and its quality, by space and metric.",
    )
    live_recall: LiveRecall | None = Field(
        None, description="Audited recall; null until an answer from this snapshot was checked."
    )
    learning: Learning | None = Field(
        None, description="State of background learning; null while the indexer doesn't answer."
    )
    drift: Drift | None = Field(
        None, description="Drift of the embedder; null until the first search by picture."
    )
