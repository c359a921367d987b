"""Answer of the query service to a search."""

from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, Field

from shared.contracts.annotations import Notes
from shared.contracts.base import Wire
from shared.contracts.facts import FILE_EXAMPLE, AddedAt, FileFacts
from shared.contracts.labels import Label
from shared.contracts.metric import Metric as Metric


def _is_none(value: object) -> bool:
    return value is None


class Mode(StrEnum):
    """How an answer came about."""

    IMAGE = "image"
    TAG = "tag"
    SEMANTIC = "semantic"
    MIXED = "mixed"


class Explanation(Wire):
    """How a hit was found. `cluster_rank` counts from 1, the cluster nearest to the query."""

    cluster: int
    cluster_rank: int
    segment: str
    candidate_distance: float | None = Field(
        None,
        description="By its short code, which made it a candidate, in the index's metric; null "
        "where all of the probed clusters was looked at.",
    )
    exact_distance: float = Field(description="By its stored vector, in the metric asked for.")


ANSWER_EXAMPLE: dict[str, Any] = {
    "hits": [
        {
            "id": "d0ed203b490efa13b89928e082c3728f",
            "score": 0.87,
            "relevance": 0.87,
            "distance": 0.13,
            "probability": None,
            "tags": ["castle", "night"],
            "uri": "castle/07.jpg",
            "uris": ["castle/07.jpg"],
            "metadata": {},
            "labels": [{"name": "castle", "probability": 0.91}],
            "added_at": "2026-11-22T05:43:50+00:00",
            "file": FILE_EXAMPLE,
        }
    ],
    "limit": 1,
    "offset": 0,
    "next": "WyI4ZjA1YjJlMSIsImltYWdlIl0",
    "complete": True,
    "mode": "image",
    "searched_as": None,
    "corrected_terms": [],
    "unknown_keys": [],
    "metric": "cosine",
    "snapshot": 3,
    "version": "3.0",
    "model": "mini-bd7a04c10886955e",
    "recall": {
        "target": 0.95,
        "expected": 0.953,
        "nprobe": 6,
        "clusters": 64,
        "scanned_fraction": 0.092,
        "reranked": 230,
    },
    "timings_ms": {"embed": 10.8, "probe": 0.1, "scan": 0.3, "rank": 0.2, "total": 11.9},
}


class Duplicate(Wire):
    """An image that shows the same as a hit. `similarity`: their cosine."""

    id: str
    uri: str
    similarity: float


class Hit(Wire):
    """One result. `score`: higher is better. `distance`: 1 - cosine, or L2 (not squared)."""

    id: str
    score: float
    relevance: float = Field(
        description="The number that orders the hits, the highest first: the score, or where the "
        "nearest were re-ranked, the score of means with what is near to each.",
    )
    distance: float
    probability: float | None = Field(
        None, description="Calibrated chance that it matches; null: none was fitted."
    )
    tags: list[str]
    uri: str
    uris: list[str]
    metadata: dict[str, Any]
    labels: list[Label] = Field(
        default_factory=list,
        description="What the model's classifier sees in it, the most probable first: suggestions, "
        "not tags. Empty where the model has no classifier with named classes.",
    )
    added_at: AddedAt = None
    file: FileFacts = FileFacts()
    explain: Explanation | None = None
    contributions: list[float] | None = Field(
        None, description="What each of the `parts` adds to the score; their sum is the score."
    )
    duplicates: list[Duplicate] | None = Field(
        None, description="With `group_duplicates`: those of the page that show the same."
    )
    vector: list[float] | None = None
    notes: Notes = None


class Recall(Wire):
    """How much of the exact answer to expect. `expected` was measured when the index was built."""

    target: float | None
    expected: float | None
    nprobe: int
    clusters: int = Field(description="How many clusters there are to probe.")
    scanned_fraction: float = Field(description="Share of all images in the probed clusters.")
    reranked: int = Field(description="Images whose stored vector was compared, not only its code.")


class TagCount(Wire):
    tag: str
    count: int
    cover: str | None = Field(
        None,
        description="Id of the image with the tag that was added last; null unless asked for.",
        exclude_if=_is_none,
    )


class LabelFacet(Wire):
    name: str
    count: int


class CorrectedTerm(Wire):
    """A term that no tag equals, and the tag that was searched by instead."""

    term: str
    searched_as: str


class CutOff(Wire):
    """Effect of `score_threshold` and `min_probability` on the nearest images."""

    confident: bool = Field(description="Whether any hit is left; false: no confident match.")
    below: int = Field(description="How many hits of this page were left out.")


class SearchResponse(Wire):
    """Hits, and how right they are to be expected to be."""

    model_config = ConfigDict(json_schema_extra={"examples": [ANSWER_EXAMPLE]})

    hits: list[Hit]
    limit: int
    offset: int = Field(description="How many hits the pages before this one had.")
    next: str | None = Field(
        None, description="The `cursor` of the next page; null where no more hits are known of."
    )
    complete: bool = Field(description="As many hits as asked for, or all there are.")
    facets: list[TagCount] | None = Field(
        None, description="The tags of the hits and how many carry each, the most frequent first."
    )
    label_facets: list[LabelFacet] | None = Field(
        None, description="With `facets`: the labels of the hits and how many show each."
    )
    cut_off: CutOff | None = Field(
        None, description="Told where `score_threshold` or `min_probability` was given."
    )
    mode: Mode
    searched_as: str | None = Field(
        None,
        description="The tag that the term was read as, where that is not as it is written: it in "
        "singular or plural, or a near spelling. `exact_term` switches that off. Of several parts, "
        "the first that was; all of them stand in `corrected_terms`.",
    )
    corrected_terms: list[CorrectedTerm] = Field(
        default_factory=list, description="The terms that were not read as they are written."
    )
    unknown_keys: list[str] = Field(
        default_factory=list,
        description="Keys of the filter that no image has a value of: perhaps a slip.",
    )
    metric: Metric
    snapshot: int
    version: str = Field(description="Of the snapshot and the deletions; see `min_version`.")
    model: str | None = Field(description="Fingerprint of the model whose vectors were compared.")
    recall: Recall
    timings_ms: dict[str, float]
