"""From a question in words to images with the text that describes them, for retrievers."""

from collections.abc import Iterator
from typing import Any

from image_search.client import Client
from shared.contracts.answer import Hit


def retrieve(client: Client, question: str, limit: int, options: dict[str, Any]) -> Iterator[Hit]:
    """Yield the hits of a search by a term."""
    yield from client.search(term=question, limit=limit, **options).hits


def text_of(hit: Hit) -> str:
    """Return what is known of an image as a sentence a language model can read."""
    known = [hit.uri]
    if hit.tags:
        known.append(f"tags: {', '.join(hit.tags)}")
    if hit.labels:
        known.append(f"shows: {', '.join(label.name for label in hit.labels)}")
    if hit.file.taken_at:
        known.append(f"taken {hit.file.taken_at}")
    return "; ".join(known)


def metadata_of(hit: Hit) -> dict[str, Any]:
    """Return an image's metadata with its id, path, score and probability."""
    return {
        **hit.metadata,
        "id": hit.id,
        "uri": hit.uri,
        "tags": hit.tags,
        "score": hit.score,
        "probability": hit.probability,
    }
