"""Answer of the query service to a search."""

from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, Field

from shared.contracts.annotations import Notes
from shared.contracts.base import Wire
from shared.contracts.facts import FILE_EXAMPLE, AddedAt, FileFacts
from shared.contracts.labels import Label
from shared.contracts.metric import Metric as Metric
from shared.contracts.text import Word


def _is_none(value: object) -> bool:
    return value is None


class Mode(StrEnum):
    """Kind of search that produced an answer."""

    IMAGE = "image"
    TAG = "tag"
    SEMANTIC = "semantic"
    TEXT = "text"
    MIXED = "mixed"
    COLOR = "color"


class Explanation(Wire):
    """Explanation of a hit."""

    cluster: int = Field(description="Number of the cluster that contains the image.")
    cluster_rank: int = Field(
        description="Rank of that cluster among those probed; 1 is the nearest to the query."
    )
    segment: str = Field(description="Name of the segment file that contains the image.")
    candidate_distance: float | None = Field(
        None,
        description="Distance by the short code that made it a candidate, in the index's metric; "
        "null: every row of the probed clusters was compared.",
    )
    exact_distance: float = Field(
        description="Distance by the stored vector, in the requested metric."
    )


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
    "expected": {"matches": 37, "low": 34, "high": 41},
    "present": 0.98,
    "guarantee": None,
    "mode": "image",
    "searched_as": None,
    "corrected_terms": [],
    "colors": [],
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
    """An image that shows the same picture as a hit."""

    id: str = Field(description="Id of the image.")
    uri: str = Field(description="Path or URL of the image.")
    similarity: float = Field(description="Cosine similarity to the hit.")


class Hit(Wire):
    """One result of a search."""

    id: str = Field(description="Id of the image.")
    score: float = Field(description="Similarity; higher is better.")
    relevance: float = Field(
        description="Number that orders the hits, the highest first: the score, or after a "
        "re-rank the score of mean distances to the nearest images.",
    )
    distance: float = Field(description="Distance to the query: 1 - cosine, or L2 (not squared).")
    probability: float | None = Field(
        None, description="Calibrated probability of a match; null: none was fitted."
    )
    tags: list[str] = Field(description="Tags of the image.")
    uri: str = Field(description="Path or URL of the image, for display.")
    uris: list[str] = Field(description="All paths and URLs of the image.")
    metadata: dict[str, Any] = Field(description="Metadata of the image.")
    labels: list[Label] = Field(
        default_factory=list,
        description="What the model's classifier sees in it, the most probable first: suggestions, "
        "not tags. Empty where the model has no classifier with named classes.",
    )
    text: list[Word] = Field(
        default_factory=list,
        description="Words in the picture that the term was found by, with their places.",
    )
    added_at: AddedAt = None
    file: FileFacts = Field(FileFacts(), description="Facts from the file.")
    time_s: float | None = Field(
        None,
        description="Of a video: seconds from its beginning to the frame that is nearest to the "
        "query; null for pictures, for videos whose frames were not embedded yet, and where no "
        "vectors are compared: by a colour or a text alone.",
    )
    explain: Explanation | None = Field(
        None,
        description="How the hit was found; with `explain`. Null where no cluster was probed for "
        "it, as for a video that is found by a frame.",
    )
    contributions: list[float] | None = Field(
        None,
        description="Contribution of each of the `parts`, in their order; they sum to the score. "
        "0 for a part that names a colour beside others: it orders the hits, or leaves some out. "
        "Null without `parts`, and where several are colours alone: no vectors are compared.",
    )
    duplicates: list[Duplicate] | None = Field(
        None, description="Images of the page that show the same picture; with `group_duplicates`."
    )
    vector: list[float] | None = Field(None, description="Stored vector; with `with_vector`.")
    notes: Notes = None


class Recall(Wire):
    """Expected share of the exact answer, and the work done for it."""

    target: float | None = Field(description="Requested recall; null: none applies.")
    expected: float | None = Field(
        description="Recall measured at build time for this number of clusters; null: not measured."
    )
    nprobe: int = Field(description="Number of clusters that were probed.")
    clusters: int = Field(description="Number of clusters in the index.")
    scanned_fraction: float = Field(description="Share of all images in the probed clusters.")
    reranked: int = Field(
        description="Number of images whose stored vectors were compared, not only codes."
    )


class TagCount(Wire):
    """A tag and the number of images that carry it."""

    tag: str = Field(description="Tag, as it is most often written.")
    count: int = Field(description="Number of images that carry it.")
    cover: str | None = Field(
        None,
        description="Id of the image with the tag that was added last; null unless asked for.",
        exclude_if=_is_none,
    )


class LabelFacet(Wire):
    """A label and the number of hits that have it."""

    name: str = Field(description="Name of the label.")
    count: int = Field(description="Number of hits with the label.")


class CorrectedTerm(Wire):
    """A term that equals no tag, and the tag that was searched instead."""

    term: str = Field(description="Term of the request.")
    searched_as: str = Field(description="Tag that was searched instead.")


class CutOff(Wire):
    """Effect of `score_threshold` and `min_probability` on the nearest images."""

    confident: bool = Field(description="Whether any hit remains; false: no confident match.")
    below: int = Field(description="Number of hits that this page omits.")


class Expected(Wire):
    """How many pictures match a search."""

    matches: int = Field(description="Number of pictures that match, the likeliest.")
    low: int = Field(description="Lower end of its 90 % interval.")
    high: int = Field(description="Upper end of its 90 % interval.")


class Guarantee(Wire):
    """Promise of a list."""

    asked: float = Field(description="Requested chance that a match is among the hits.")
    met: bool = Field(
        description="Whether the hits are the shortest list that holds a match with that chance; "
        "false: the collection can't promise it, and the hits are those of an ordinary search."
    )


class SearchResponse(Wire):
    """Hits and their expected quality."""

    model_config = ConfigDict(json_schema_extra={"examples": [ANSWER_EXAMPLE]})

    hits: list[Hit] = Field(description="Hits, the best first.")
    limit: int = Field(description="Requested number of hits.")
    offset: int = Field(description="Number of hits on the pages before this one.")
    next: str | None = Field(
        None, description="The `cursor` of the next page; null: no more hits are known."
    )
    complete: bool = Field(
        description="Whether these are as many hits as requested, or all that exist."
    )
    facets: list[TagCount] | None = Field(
        None, description="Tags of the hits with counts, the most frequent first; with `facets`."
    )
    label_facets: list[LabelFacet] | None = Field(
        None, description="With `facets`: the labels of the hits and how many show each."
    )
    cut_off: CutOff | None = Field(
        None, description="Effect of `score_threshold` or `min_probability`, if given."
    )
    expected: Expected | None = Field(
        None,
        description="Number of pictures of the collection that match, with filters those that pass "
        "them; the first `expected.matches` hits are those. Null: nothing teaches it, or the page "
        "comes by a `cursor`.",
    )
    present: float | None = Field(
        None,
        description="Probability that any picture matches, where beforehand a match is as likely "
        "as none. Null: nothing teaches it.",
    )
    guarantee: Guarantee | None = Field(
        None, description="What the hits promise, with `guarantee`."
    )
    mode: Mode = Field(description="Kind of search.")
    searched_as: str | None = Field(
        None,
        description="Tag that was searched instead of the term: its singular or plural, or a "
        "near spelling. `exact_term` disables this. For several parts, the first correction; "
        "`corrected_terms` lists all.",
    )
    corrected_terms: list[CorrectedTerm] = Field(
        default_factory=list, description="Corrected terms of all parts."
    )
    colors: list[str] = Field(
        default_factory=list,
        description="Colours that the term names, by which the hits are ordered too. "
        "`file.colors` of a hit has their shares. `exact_term` disables this.",
    )
    unknown_keys: list[str] = Field(
        default_factory=list,
        description="Keys of the filter that no image has; perhaps misspelt.",
    )
    metric: Metric = Field(description="Metric of the distances.")
    snapshot: int = Field(description="Number of the snapshot that was searched.")
    version: str = Field(description="Version of snapshot and deletions; see `min_version`.")
    model: str | None = Field(description="Fingerprint of the model whose vectors were compared.")
    recall: Recall = Field(description="Expected recall and the work done.")
    timings_ms: dict[str, float] = Field(
        description="Duration of each stage in milliseconds, and `total`."
    )
