"""What goes over the wire to and from the query service."""

import math
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Base64Bytes, ConfigDict, Field, model_validator

from shared.contracts.base import Wire
from shared.contracts.calibration import Calibration
from shared.contracts.crop import Crop
from shared.contracts.filters import Filter
from shared.contracts.metric import Metric as Metric
from shared.contracts.problem import Problem

MAX_LIMIT = 1000
MAX_PARTS = 32


class Rerank(StrEnum):
    """What orders the nearest candidates: `none`: their distance; `neighbours`: theirs, too."""

    NONE = "none"
    NEIGHBOURS = "neighbours"


class Mode(StrEnum):
    """How an answer came about."""

    IMAGE = "image"
    TAG = "tag"
    SEMANTIC = "semantic"
    MIXED = "mixed"


def _finite(vector: list[float]) -> list[float]:
    if not all(math.isfinite(value) for value in vector):
        raise ValueError("a vector's values must be finite numbers")
    return vector


class SearchOptions(Wire):
    """The fields that every kind of search takes."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 10
    offset: Annotated[int, Field(ge=0, le=100_000)] = 0
    cursor: Annotated[str, Field(max_length=8000)] | None = Field(
        None, description="The `next` of an answer to the same search: the page after that one."
    )
    metric: Metric | None = Field(None, description="Default: the metric the index was built for.")
    nprobe: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Number of top clusters to scan."
    )
    recall_target: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="Scan as many clusters as this recall was measured to need; 0.95."
    )
    exact: bool = Field(False, description="Scan everything.")
    rerank: Rerank | None = Field(
        None,
        description="How the nearest candidates of a picture are ordered. `neighbours`: by what "
        "is near to them, too; `none`: by distance. Default: `neighbours`, but `none` for vectors "
        "from outside. Scores and distances are the same either way.",
    )
    filter: Filter | None = Field(
        None, description="Conditions on tags and metadata: only images that meet them are hits."
    )
    score_threshold: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        None, description="Leave out hits that score less."
    )
    min_probability: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="Leave out hits that match with less probability. It takes a collection with "
        "tags, from which probabilities are learnt.",
    )
    explain: bool = Field(False, description="Say of each hit how it was found.")
    group_duplicates: bool = Field(
        False,
        description="Fold hits of a page that show the same into the first of them; the page then "
        "has fewer than `limit`.",
    )
    facets: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="Count the tags of the page's hits; so many of them, at most."
    )
    with_vector: bool = Field(False, description="Give each hit's stored vector.")

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if sum([self.nprobe is not None, self.recall_target is not None, self.exact]) > 1:
            raise ValueError("give one of nprobe, recall_target and exact, not several")
        if self.cursor is not None and self.offset:
            raise ValueError("give one of cursor and offset, not both")
        return self


class Subject(Wire):
    """What is looked for: one of these."""

    image: Base64Bytes | None = Field(None, description="An image file, base64-encoded.")
    image_url: Annotated[str, Field(min_length=1, max_length=4000)] | None = Field(
        None,
        description="Where an image file is, on a host that `ISE_FETCH_HOSTS` names.",
    )
    upload: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="The id that `POST /v1/uploads` gave to a picture."
    )
    term: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    vector: Annotated[list[float], Field(min_length=1), AfterValidator(_finite)] | None = None

    @model_validator(mode="after")
    def _not_blank(self) -> Self:
        if self.term is not None and not self.term.strip():
            raise ValueError("`term` is blank")
        return self

    @property
    def is_picture(self) -> bool:
        """Whether it is an image file, however that comes."""
        return any(given is not None for given in (self.image, self.image_url, self.upload))


_SUBJECTS = tuple(Subject.model_fields)


class Part(Subject):
    """One part of a search, and how much it counts; what has a negative weight is excluded."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"term": "night", "weight": 0.5}]},
    )

    weight: Annotated[float, Field(ge=-100, le=100)] = 1.0
    crop: Crop | None = Field(
        None, description="The box of the image that counts; of an `id`, its file is embedded anew."
    )

    @property
    def is_picture(self) -> bool:
        """Whether the embedder sees a picture for it: a file, or a part of an indexed image."""
        return super().is_picture or (self.id is not None and self.crop is not None)

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        given = [name for name in _SUBJECTS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a part is one of {', '.join(_SUBJECTS)}; got {', '.join(given) or 'none'}"
            )
        if self.crop is not None and given[0] not in ("image", "image_url", "id", "upload"):
            raise ValueError("`crop` goes with `image`, `image_url`, `id` or `upload`")
        if not self.weight:
            raise ValueError("a weight of 0 says nothing; leave the part out")
        return self


class SearchRequest(SearchOptions, Subject):
    """`POST /v1/search`: one of the subjects, or `parts`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"term": "castle", "limit": 5},
                {"id": "d0ed203b490efa13b89928e082c3728f", "exact": True},
                {
                    "parts": [
                        {"id": "d0ed203b490efa13b89928e082c3728f"},
                        {"term": "night", "weight": 0.5},
                        {"term": "garden", "weight": -1},
                    ]
                },
            ]
        }
    )

    parts: Annotated[list[Part], Field(min_length=1, max_length=MAX_PARTS)] | None = Field(
        None, description="Several of these together, by cosine, each with its weight."
    )

    @model_validator(mode="after")
    def _one_query(self) -> Self:
        ways = (*_SUBJECTS, "parts")
        given = [name for name in ways if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(ways)}; got {', '.join(given) or 'none'}")
        if self.parts is not None:
            self._check_parts(self.parts)
        return self

    def _check_parts(self, parts: list[Part]) -> None:
        if all(part.weight < 0 for part in parts):
            raise ValueError("give at least one part with a weight over 0")
        if self.metric is Metric.L2:
            raise ValueError("parts are weighed by cosine; leave out `metric`")
        if self.min_probability is not None and len(parts) > 1:
            raise ValueError(
                "probabilities are learnt for searches by one picture or term; give a "
                "`score_threshold` to several parts"
            )


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


_ANSWER: dict[str, Any] = {
    "hits": [
        {
            "id": "d0ed203b490efa13b89928e082c3728f",
            "score": 0.87,
            "distance": 0.13,
            "probability": None,
            "tags": ["castle", "night"],
            "uri": "castle/07.jpg",
            "uris": ["castle/07.jpg"],
            "metadata": {},
        }
    ],
    "limit": 1,
    "offset": 0,
    "next": "WyI4ZjA1YjJlMSIsImltYWdlIl0",
    "complete": True,
    "mode": "image",
    "metric": "cosine",
    "snapshot": 3,
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
    distance: float
    probability: float | None = Field(
        None, description="Calibrated chance that it matches; null: none was fitted."
    )
    tags: list[str]
    uri: str
    uris: list[str]
    metadata: dict[str, Any]
    explain: Explanation | None = None
    contributions: list[float] | None = Field(
        None, description="What each of the `parts` adds to the score; their sum is the score."
    )
    duplicates: list[Duplicate] | None = Field(
        None, description="With `group_duplicates`: those of the page that show the same."
    )
    vector: list[float] | None = None


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


class CutOff(Wire):
    """What `score_threshold` and `min_probability` made of the nearest images."""

    confident: bool = Field(description="Whether any hit is left; false: no confident match.")
    below: int = Field(description="How many hits of this page were left out.")


class SearchResponse(Wire):
    """Hits, and how right they are to be expected to be."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ANSWER]})

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
    cut_off: CutOff | None = Field(
        None, description="Told where `score_threshold` or `min_probability` was given."
    )
    mode: Mode
    metric: Metric
    snapshot: int
    model: str | None = Field(description="Fingerprint of the model whose vectors were compared.")
    recall: Recall
    timings_ms: dict[str, float]


class BatchRequest(Wire):
    """Many searches in one go."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "searches": [
                        {"term": "castle", "limit": 5},
                        {"id": "d0ed203b490efa13b89928e082c3728f"},
                    ]
                }
            ]
        }
    )

    searches: Annotated[list[SearchRequest], Field(min_length=1)]


class BatchAnswer(Wire):
    """One of the two: what the search alone would have been answered."""

    answer: SearchResponse | None = None
    problem: Problem | None = None


class BatchResponse(Wire):
    """The answers, in the order of the searches."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"answers": [{"answer": _ANSWER, "problem": None}]}]}
    )

    answers: list[BatchAnswer]


class ImageInfo(Wire):
    """An indexed image."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "d0ed203b490efa13b89928e082c3728f",
                    "tags": ["castle", "night"],
                    "uri": "castle/07.jpg",
                    "uris": ["castle/07.jpg"],
                    "metadata": {},
                }
            ]
        }
    )

    id: str
    tags: list[str]
    uri: str
    uris: list[str]
    metadata: dict[str, Any]


class Uploaded(Wire):
    """A picture that is kept for a while. Whoever has the id can search by it, and see it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "Zk3vX0m1S5b9tQe7cPz2LrJw8uHfNd4a",
                    "expires_at": "2026-11-22T06:43:50+00:00",
                }
            ]
        }
    )

    id: str
    expires_at: str


class Tags(Wire):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"tags": [{"tag": "castle", "count": 19}, {"tag": "cat", "count": 12}]}]
        }
    )

    tags: list[TagCount]


class RecallPoint(Wire):
    """Measured: with `nprobe` clusters, `recall` of the exact top k, scanning a share of all.

    `depth`: how many rows the codes chose of them; null: every row was compared.
    """

    nprobe: int
    depth: int | None = None
    recall: float
    scanned_fraction: float


class RecallCurve(Wire):
    space: str
    metric: Metric
    k: int
    queries: int
    points: list[RecallPoint]


class LiveRecall(Wire):
    """What a sample of the answers given held of the exact ones, beside what was expected."""

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
    drift: Drift | None = Field(None, description="Null until a picture was searched by.")
