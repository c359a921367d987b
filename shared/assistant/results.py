"""Results of the tools: what an assistant needs of an answer, and no more."""

from typing import Any

from pydantic import BaseModel, Field

from shared.contracts.answer import Hit, SearchResponse
from shared.contracts.curation import Changed
from shared.contracts.query import ImageInfo, Tags
from shared.contracts.stats import Stats


class Found(BaseModel):
    """An image that a search found."""

    id: str = Field(description="Id of the image, for the other tools.")
    uri: str = Field(description="Path or URL of the image.")
    probability: float | None = Field(description="Calibrated chance that it matches, if known.")
    score: float = Field(description="Similarity; higher is better.")
    tags: list[str] = Field(description="Tags of the image.")
    labels: list[str] = Field(description="What a classifier sees in it.")
    taken_at: str | None = Field(description="When it was taken.")
    time_s: float | None = Field(description="Seconds into a video, where it matches best.")

    @classmethod
    def of(cls, hit: Hit) -> "Found":
        return cls(
            id=hit.id,
            uri=hit.uri,
            probability=hit.probability,
            score=round(hit.score, 4),
            tags=hit.tags,
            labels=[label.name for label in hit.labels],
            taken_at=hit.file.taken_at,
            time_s=hit.time_s,
        )


class Results(BaseModel):
    """Result of a search."""

    hits: list[Found] = Field(description="Images, the best first.")
    mode: str = Field(
        description="`tag`: they carry the tag; `semantic`: by meaning; `image`; `text`: they show "
        "the words; `mixed`: those first, then by meaning; `color`: those with most of a colour."
    )
    colors: list[str] = Field(description="Colours of the term, by which hits are ordered too.")
    searched_as: str | None = Field(description="The term as it was read, if not as written.")
    expected_recall: float | None = Field(description="Share of the exact answer to expect.")

    @classmethod
    def of(cls, answer: SearchResponse) -> "Results":
        return cls(
            hits=[Found.of(hit) for hit in answer.hits],
            mode=answer.mode.value,
            colors=answer.colors,
            searched_as=answer.searched_as,
            expected_recall=answer.recall.expected,
        )


class TagList(BaseModel):
    """Tags with the number of their images."""

    tags: dict[str, int] = Field(description="Number of images of each tag.")
    total: int = Field(description="Number of tags that match, also those not listed.")

    @classmethod
    def of(cls, tags: Tags) -> "TagList":
        return cls(tags={one.tag: one.count for one in tags.tags}, total=tags.total)


class Collection(BaseModel):
    """Figures of the collection."""

    images: int = Field(description="Number of images.")
    model: str | None = Field(description="Fingerprint of the model.")
    snapshot: int | None = Field(description="Number of the index in use.")

    @classmethod
    def of(cls, stats: Stats) -> "Collection":
        return cls(images=stats.images, model=stats.model, snapshot=stats.snapshot)


class Edited(BaseModel):
    """Result of a change of tags."""

    changed: int = Field(description="Number of images whose tags are others now.")
    unknown: list[str] = Field(description="Ids that no image has.")
    undo: str | None = Field(description="Token for `ise undo`, good for a day.")

    @classmethod
    def of(cls, done: Changed) -> "Edited":
        return cls(changed=done.changed, unknown=done.unknown, undo=done.undo)


def facts(image: ImageInfo) -> dict[str, Any]:
    """Return what is known of an image."""
    return {
        "id": image.id,
        "uris": image.uris,
        "tags": image.tags,
        "labels": {label.name: round(label.probability, 2) for label in image.labels},
        "metadata": image.metadata,
        "added_at": image.added_at,
        **image.file.model_dump(exclude_none=True),
    }
