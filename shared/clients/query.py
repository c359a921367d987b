"""The calls of the query service."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from shared.clients.transport import Call, model, segment
from shared.contracts.answer import SearchResponse
from shared.contracts.batch import BatchResponse
from shared.contracts.explanation import Why
from shared.contracts.explore import DuplicateGroups, Sample, SuggestedTags
from shared.contracts.labels import LabelCounts, LabelsQuery
from shared.contracts.query import ImageInfo, TagOrder, Tags, Uploaded
from shared.contracts.stats import Stats
from shared.contracts.tag_audit import AuditKind, TagAudit


def search_image(data: bytes, name: str = "query", **options: Any) -> Call[SearchResponse]:
    """Search by an image file; `options` are the fields of `SearchOptions`."""
    return Call(
        "POST",
        "/v1/search/image",
        model(SearchResponse),
        files=[("file", (name, data, "application/octet-stream"))],
        data={k: _text(v) for k, v in options.items() if v is not None},
    )


def search_term(term: str, **options: Any) -> Call[SearchResponse]:
    """Search by a tag term; `options` are the fields of `SearchOptions`."""
    given = {k: _text(v) for k, v in options.items() if v is not None}
    return Call("GET", "/v1/search", model(SearchResponse), params={"term": term, **given})


def search_id(image_id: str, **options: Any) -> Call[SearchResponse]:
    """Search by an indexed image; it is its own first hit."""
    return _search({"id": image_id, **options})


def search_vector(vector: Sequence[float], **options: Any) -> Call[SearchResponse]:
    """Search by a vector of the collection's own model."""
    return _search({"vector": [float(v) for v in vector], **options})


def search(**asked: Any) -> Call[SearchResponse]:
    """Any search: the fields of `SearchRequest`. An `image` is given as its bytes, also in `parts`.

    search(parts=[{"image": data, "weight": 2}, {"term": "night"}, {"id": other, "weight": -1}])
    """
    return _search(_encoded(asked))


def keep_upload(data: bytes, name: str = "query") -> Call[Uploaded]:
    """Keeps a picture for a while, to be searched by as `upload`."""
    return Call(
        "POST",
        "/v1/uploads",
        model(Uploaded),
        files=[("file", (name, data, "application/octet-stream"))],
    )


def search_batch(searches: Sequence[Mapping[str, Any]]) -> Call[BatchResponse]:
    """Many searches in one call, each given as to `search`."""
    body = {"searches": [_encoded(asked) for asked in searches]}
    return Call("POST", "/v1/search/batch", model(BatchResponse), json=body)


def list_duplicates(
    threshold: float | None = None, limit: int = 100, cursor: str | None = None
) -> Call[DuplicateGroups]:
    """Groups of near-duplicates, a page at a time."""
    params = {"threshold": threshold, "limit": limit, "cursor": cursor}
    return Call("GET", "/v1/duplicates", model(DuplicateGroups), params=params)


def audit_tags(kind: AuditKind = AuditKind.WRONG, limit: int = 50) -> Call[TagAudit]:
    """List tags that look wrong, or pictures that seem to lack one."""
    params = {"kind": kind.value, "limit": limit}
    return Call("GET", "/v1/tags/audit", model(TagAudit), params=params)


def suggest_tags(image_id: str, limit: int = 10) -> Call[SuggestedTags]:
    """Tags that may fit an image, with probabilities."""
    path = f"/v1/images/{segment(image_id)}/suggest-tags"
    return Call("GET", path, model(SuggestedTags), params={"limit": limit})


def get_random_images(limit: int = 10, seed: int | None = None) -> Call[Sample]:
    """Images at random."""
    return Call("GET", "/v1/random", model(Sample), params={"limit": limit, "seed": seed})


def find_similar_images(image_id: str, **options: Any) -> Call[SearchResponse]:
    """Images like an indexed one, which is itself left out."""
    given = {k: _text(v) for k, v in options.items() if v is not None}
    return Call(
        "GET", f"/v1/images/{segment(image_id)}/similar", model(SearchResponse), params=given
    )


def get_image(image_id: str) -> Call[ImageInfo]:
    return Call("GET", f"/v1/images/{segment(image_id)}", model(ImageInfo))


def get_thumbnail(image_id: str) -> Call[bytes]:
    """A small JPEG of an image."""
    path = f"/v1/images/{segment(image_id)}/thumbnail"
    return Call("GET", path, lambda answer: answer.content)


def explain_match(image_id: str, to: str | None = None, term: str | None = None) -> Call[Why]:
    """Explain the similarity of an image to another one, or to a term; give one of both."""
    return Call(
        "GET", f"/v1/images/{segment(image_id)}/why", model(Why), params={"to": to, "term": term}
    )


def draw_match(image_id: str, to: str | None = None, term: str | None = None) -> Call[bytes]:
    """The same over the image, as a PNG."""
    path = f"/v1/images/{segment(image_id)}/why.png"
    return Call("GET", path, lambda answer: answer.content, params={"to": to, "term": term})


def explain_upload(data: bytes, to: str, name: str = "query") -> Call[Why]:
    """Explain the similarity of a picture to an indexed image."""
    return Call(
        "POST",
        "/v1/why",
        model(Why),
        files=[("file", (name, data, "application/octet-stream"))],
        data={"to": to},
    )


def list_tags(
    prefix: str = "",
    limit: int = 20,
    match: str = "",
    sort: TagOrder = TagOrder.COUNT,
    cursor: str | None = None,
    covers: bool = False,
) -> Call[Tags]:
    """List tags that begin with `prefix`, or of which a word begins with `match`."""
    params = {
        "match": match or None,
        "prefix": prefix or None,
        "sort": sort.value,
        "limit": limit,
        "cursor": cursor,
        "covers": covers or None,
    }
    return Call("GET", "/v1/tags", model(Tags), params=params)


def list_labels(asked: LabelsQuery) -> Call[LabelCounts]:
    """The labels that images show, with the number of images of each."""
    params = asked.model_dump(mode="json")
    return Call("GET", "/v1/labels", model(LabelCounts), params=params)


def get_stats() -> Call[Stats]:
    return Call("GET", "/v1/stats", model(Stats))


def _encoded(asked: Mapping[str, Any]) -> dict[str, Any]:
    """A search as JSON takes it: pictures in base64."""
    body = {key: value for key, value in asked.items() if value is not None}
    if isinstance(body.get("image"), bytes):
        body["image"] = base64.b64encode(body["image"]).decode()
    if "parts" in body:
        body["parts"] = [_encoded(part) for part in body["parts"]]
    return body


def _search(body: dict[str, Any]) -> Call[SearchResponse]:
    given = {k: v for k, v in body.items() if v is not None}
    return Call("POST", "/v1/search", model(SearchResponse), json=given)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
