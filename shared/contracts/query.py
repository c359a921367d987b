"""Wire models of the query service."""

import math
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Base64Bytes, ConfigDict, Field, model_validator

from shared.contracts.annotations import Notes
from shared.contracts.answer import TagCount
from shared.contracts.base import MAX_DIM, Choice, Request, Wire
from shared.contracts.crop import Crop
from shared.contracts.facts import FILE_EXAMPLE, AddedAt, FileFacts
from shared.contracts.filters import Filter
from shared.contracts.labels import Label
from shared.contracts.metric import Metric as Metric
from shared.contracts.sort import SearchSort
from shared.contracts.text import Word

MAX_LIMIT = 1000
MAX_PARTS = 32
VERSION = r"^[0-9]{1,15}\.[0-9]{1,15}$"


class Rerank(Choice):
    """Order of the nearest candidates: `none`: by their distance; `neighbours`: by their
    neighbours' too.
    """

    NONE = "none"
    NEIGHBOURS = "neighbours"


def _finite(vector: list[float]) -> list[float]:
    # The sum is finite where all are, unless it overflows.
    if not math.isfinite(sum(vector)) and not all(map(math.isfinite, vector)):
        raise ValueError("a vector's values must be finite numbers")
    return vector


class SearchOptions(Request):
    """The fields that every kind of search takes."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = Field(
        10, description="Number of hits on a page."
    )
    offset: Annotated[int, Field(ge=0, le=100_000)] = Field(
        0, description="Number of hits to skip."
    )
    # The pattern is documentation only: any invalid cursor gets the same error.
    cursor: (
        Annotated[str, Field(max_length=8000, json_schema_extra={"pattern": "^[A-Za-z0-9_=-]*$"})]
        | None
    ) = Field(
        None,
        description="`next` of the previous answer to the same search, for the following page.",
    )
    metric: Metric | None = Field(
        None, description="Distance to rank by. Default: the metric that the index was built for."
    )
    nprobe: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Number of top clusters to scan."
    )
    recall_target: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="Recall to reach, by the recall measured at build time. Default: 0.95."
    )
    exact: bool = Field(False, description="Scan everything.")
    rerank: Rerank | None = Field(
        None,
        description="Order of the nearest candidates of a picture. `neighbours`: also by the "
        "neighbours that they share; `none`: by distance alone. Default: "
        "`neighbours`, but `none` for imported vectors. Scores and distances are "
        "the same either way.",
    )
    filter: Filter | None = Field(
        None, description="Conditions on tags and metadata: only images that meet them are hits."
    )
    sort: SearchSort = Field(
        SearchSort.RELEVANCE,
        description="Order of the hits. `-taken` and the others: of the pictures that match, those "
        "of a probability of at least 0.5; where there is none, all that carry the tag, else the "
        "first 200. Page these by `offset`.",
    )
    score_threshold: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        None, description="Omit hits with a lower score."
    )
    min_probability: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="Omit hits with a lower probability to match. Needs a collection with tags, "
        "from which probabilities are calibrated.",
    )
    guarantee: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="Return the shortest list that holds a match with this chance, in place of "
        "`limit` hits. The answer says whether the collection can promise it.",
    )
    exact_term: bool = Field(
        False,
        description="Use a term only as written, without singular, plural or similarly spelt tags.",
    )
    explain: bool = Field(False, description="Explain for each hit how it was found.")
    group_duplicates: bool = Field(
        False,
        description="Group hits of a page that show the same picture under the first of them; the "
        "page then has fewer hits than `limit`.",
    )
    facets: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="Count the tags of the page's hits, and return at most this many tags."
    )
    with_vector: bool = Field(False, description="Return each hit's stored vector.")

    min_version: Annotated[str, Field(pattern=VERSION)] | None = Field(
        None,
        description="Wait until a write is seen: the `X-ISE-Version` of its answer, or the "
        "`version` of an answer to a search.",
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if sum([self.nprobe is not None, self.recall_target is not None, self.exact]) > 1:
            raise ValueError("give only one of nprobe, recall_target and exact")
        if self.cursor is not None and self.offset:
            raise ValueError("give either cursor or offset, not both")
        if self.cursor is not None and self.sort is not SearchSort.RELEVANCE:
            raise ValueError("with `sort`, page by `offset` instead of `cursor`")
        if self.guarantee is not None:
            self._check_guarantee()
        return self

    def _check_guarantee(self) -> None:
        """A list that promises a match begins with the best hit and ends where it must."""
        others = (self.score_threshold, self.min_probability, self.cursor, self.filter)
        is_plain = all(one is None for one in others) and not self.offset
        if not is_plain or self.sort is not SearchSort.RELEVANCE:
            raise ValueError(
                "`guarantee` gives the first hits of the whole collection: leave out `offset`, "
                "`cursor`, `sort`, `filter`, `score_threshold` and `min_probability`"
            )


class Subject(Request):
    """Subject of a search: one of these fields."""

    image: Base64Bytes | None = Field(
        None, strict=False, description="An image file, base64-encoded."
    )
    image_url: Annotated[str, Field(min_length=1, max_length=4000)] | None = Field(
        None,
        description="URL of an image file, on a host in `ISE_FETCH_HOSTS`.",
    )
    upload: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="Id returned by `POST /v1/uploads`."
    )
    term: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="A tag or a word."
    )
    id: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Id of an indexed image."
    )
    vector: (
        Annotated[
            list[float],
            Field(min_length=1, max_length=MAX_DIM, fail_fast=True),
            AfterValidator(_finite),
        ]
        | None
    ) = Field(None, description="Features by the model of the index.")

    @model_validator(mode="after")
    def _not_blank(self) -> Self:
        if self.term is not None and not self.term.strip():
            raise ValueError("`term` is blank")
        return self

    @property
    def is_picture(self) -> bool:
        """True if it is an image file, however that comes."""
        return any(given is not None for given in (self.image, self.image_url, self.upload))


_SUBJECTS = tuple(Subject.model_fields)


class Part(Subject):
    """One part of a search with its weight; a negative weight excludes."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"term": "night", "weight": 0.5}]},
    )

    weight: Annotated[float, Field(ge=-100, le=100)] = Field(
        1.0, description="Weight of the part; a negative weight excludes."
    )
    crop: Crop | None = Field(
        None, description="Part of the picture to search by; the file of an `id` is embedded again."
    )

    @property
    def is_picture(self) -> bool:
        """True if the embedder sees a picture for it: a file, or a part of an indexed image."""
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
            raise ValueError("a weight of 0 has no effect; omit the part")
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
        None, description="Several weighted subjects, combined by cosine."
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
                "probabilities are calibrated for searches by one picture or term; give "
                "a `score_threshold` to several parts"
            )


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
                    "labels": [{"name": "castle", "probability": 0.91}],
                    "added_at": "2026-11-22T05:43:50+00:00",
                    "file": FILE_EXAMPLE,
                }
            ]
        }
    )

    id: str = Field(description="Id of the image.")
    tags: list[str] = Field(description="Tags of the image.")
    uri: str = Field(description="Path or URL of the image, for display.")
    uris: list[str] = Field(description="All paths and URLs of the image.")
    metadata: dict[str, Any] = Field(description="Metadata of the image.")
    labels: list[Label] = Field(
        default_factory=list,
        description="What the model's classifier sees in it: suggestions, not tags.",
    )
    text: list[Word] = Field(
        default_factory=list, description="Words that were read in the picture, with their places."
    )
    added_at: AddedAt = None
    file: FileFacts = Field(FileFacts(), description="Facts from the file.")
    notes: Notes = None


class FileAccess(Wire):
    """Permission of a browser to read one file."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"seconds": 600}]})

    seconds: int = Field(description="Lifetime of the permission.")


class Uploaded(Wire):
    """A picture stored for a while. Anyone who has the id can see it and search by it."""

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

    id: str = Field(description="Id of the uploaded picture.")
    expires_at: str = Field(description="Time of its removal, ISO 8601.")


class TagOrder(Choice):
    """`count`: the most frequent first; `name`: by the alphabet."""

    COUNT = "count"
    NAME = "name"


class Tags(Wire):
    """A page of the tags that images carry."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tags": [{"tag": "castle", "count": 19}, {"tag": "cat", "count": 12}],
                    "total": 2,
                    "next": None,
                }
            ]
        }
    )

    tags: list[TagCount] = Field(description="Tags of this page.")
    total: int = Field(0, description="Number of matching tags on all pages.")
    next: str | None = Field(None, description="The `cursor` of the next page; null on the last.")
