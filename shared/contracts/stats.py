"""Figures of the query service and of its collection."""

from pydantic import ConfigDict, Field

from shared.contracts.base import Wire
from shared.contracts.calibration import Calibration
from shared.contracts.learning import Learning
from shared.contracts.metric import Metric as Metric


class RecallPoint(Wire):
    """Measured: with `nprobe` clusters, `recall` of the exact top k, scanning a share of all.

    `reach`: of the `nprobe` nearest clusters only those whose squared distance from the query is at
    most so much more than the nearest one's; null: all of them. `depth`: how many rows the codes
    chose of them; null: every row was compared.
    """

    nprobe: int
    reach: float | None = None
    depth: int | None = None
    recall: float
    scanned_fraction: float


class RecallCurve(Wire):
    space: str
    metric: Metric
    k: int
    queries: int
    points: list[RecallPoint] = Field(description="Of every query as many clusters: `nprobe`.")
    by_reach: list[RecallPoint] = Field(
        default_factory=list,
        description="Of each query the clusters that are near enough. `recall_target` takes the "
        "point of both that scans the least.",
    )

    def least_work(self, target: float) -> RecallPoint | None:
        """The point that scans the least of those that reach a recall; None: none does."""
        reaching = (p for p in (*self.by_reach, *self.points) if p.recall >= target)
        return min(reaching, key=lambda point: point.scanned_fraction, default=None)


class LiveRecall(Wire):
    """Recall of a sample of the given answers, beside the expected one."""

    queries: int
    measured: float
    expected: float


class Drift(Wire):
    """How far the embedder's features of a built-in picture are from those of when the index was
    made, as a cosine distance; `served`: near enough for searches by picture."""

    model: str
    distance: float
    served: bool


class Stats(Wire):
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

    images: int
    clusters: int
    tags: int
    snapshot: int
    model: str | None
    network: str | None
    metric: Metric
    dim: int | None = Field(description="Length of the model's features, as a `vector` has it.")
    recall_curve: list[RecallCurve]
    calibration: list[Calibration] = Field(
        default_factory=list,
        description="How scores become probabilities, and what these are worth; by space, metric.",
    )
    live_recall: LiveRecall | None = Field(
        None, description="Null until an answer from this snapshot was checked."
    )
    learning: Learning | None = Field(
        None, description="What the indexer learns by itself; null while it gives no answer."
    )
    drift: Drift | None = Field(None, description="Null until a picture was searched by.")
