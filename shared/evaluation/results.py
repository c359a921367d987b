"""Results of an evaluation, as written to JSON."""

from typing import Any

from pydantic import Field

from shared.contracts.base import Wire


class Estimate(Wire):
    """A mean over queries, and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


class QueryResult(Wire):
    """One image as a query, itself left out. `top`: ids of its first hits; `right`: which match."""

    id: str
    figures: dict[str, float]
    top: list[str]
    right: list[bool]


class Bin(Wire):
    """Hits whose probability was about `predicted`, and the share of them that matched."""

    predicted: float
    matched: float


class SettingResult(Wire):
    """Results of searches with given options. `figures`: label quality, as means over the queries.

    `recall_at_10`: compared with the exact order, before any re-rank; independent of labels.
    """

    name: str
    options: dict[str, Any]
    figures: dict[str, Estimate]
    recall_at_10: float
    median_ms: float
    p95_ms: float
    expected_error: float | None = Field(None, description="Of the probabilities: ECE.")
    reliability: list[Bin] = Field(default_factory=list)
    queries: list[QueryResult]


class CurvePoint(Wire):
    nprobe: int
    recall_at_10: float
    median_ms: float


class TermResult(Wire):
    """`seen`: whether the matching network was trained on it; null where that isn't known."""

    term: str
    seen: bool | None
    average_precision: float


class TagResult(Wire):
    """Search by tag: each tag's joint vector compared with those of all labelled images.

    `seen`, `unseen`: means over the tags that the matching network was trained on, and over the
    others; null if there are none, or unknown. `unseen_apart`: unseen tags among images of unseen
    tags only.
    """

    tags: int
    without_word: list[str]
    mean_average_precision: Estimate
    seen: Estimate | None = None
    unseen: Estimate | None = None
    unseen_apart: Estimate | None = None
    terms: list[TermResult] = Field(default_factory=list)


class Comparison(Wire):
    """Differences between `second` and `first`, over the queries that both answered."""

    first: str
    second: str
    queries: int
    differences: dict[str, Estimate]


class Evaluation(Wire):
    """Everything that the report shows."""

    created_at: str
    snapshot: int
    model: str | None
    images: int
    labelled: int
    labels: int
    depth: int = Field(description="How many hits of each query were looked at.")
    settings: list[SettingResult]
    comparisons: list[Comparison]
    curve: list[CurvePoint]
    tags: TagResult | None = None
    seconds: float
