"""Exploring a collection: near-duplicates, suggested tags, random images."""

from typing import Any

from pydantic import ConfigDict, Field

from shared.contracts.base import Wire
from shared.contracts.labels import Label
from shared.contracts.query import ImageInfo

_IMAGE: dict[str, Any] = {
    "id": "d0ed203b490efa13b89928e082c3728f",
    "tags": ["castle", "night"],
    "uri": "castle/07.jpg",
    "uris": ["castle/07.jpg"],
    "metadata": {},
}


class Sample(Wire):
    """Random images, each equally likely."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"images": [_IMAGE]}]})

    images: list[ImageInfo] = Field(description="Random images.")


class SuggestedTag(Wire):
    """A tag that may fit a picture."""

    tag: str = Field(description="Suggested tag.")
    probability: float = Field(
        description="Probability that it fits, estimated from similar images."
    )
    images: int = Field(description="Number of similar images that carry it.")


class SuggestedTags(Wire):
    """Tags that the picture does not carry, the most probable first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "d0ed203b490efa13b89928e082c3728f",
                    "tags": [{"tag": "tower", "probability": 0.62, "images": 14}],
                    "neighbours": 30,
                    "labels": [{"name": "castle", "probability": 0.91}],
                }
            ]
        }
    )

    id: str | None = Field(description="Id of the image; null: the picture isn't indexed.")
    tags: list[SuggestedTag] = Field(description="Suggested tags, the most probable first.")
    neighbours: int = Field(description="Number of similar tagged images considered.")
    labels: list[Label] = Field(
        default_factory=list,
        description="What the model's classifier sees in it and it doesn't carry as a tag.",
    )


class Alike(Wire):
    """An image of a group of duplicates."""

    id: str = Field(description="Id of the image.")
    uri: str = Field(description="Path or URL of the image.")
    score: float = Field(description="Cosine similarity to the first image of the group.")


class DuplicateGroups(Wire):
    """Groups of images that show the same picture."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "groups": [
                        [
                            {
                                "id": "d0ed203b490efa13b89928e082c3728f",
                                "uri": "castle/07.jpg",
                                "score": 1.0,
                            },
                            {
                                "id": "5f4dcc3b5aa765d61d8327deb882cf99",
                                "uri": "castle/07-small.jpg",
                                "score": 0.994,
                            },
                        ]
                    ],
                    "threshold": 0.98,
                    "clusters": 64,
                    "looked_at": 64,
                    "next": None,
                }
            ]
        }
    )

    groups: list[list[Alike]] = Field(description="Groups of images that show the same picture.")
    threshold: float = Field(description="Least cosine similarity within a group.")
    clusters: int = Field(description="Number of clusters in the index.")
    looked_at: int = Field(description="Number of clusters compared so far.")
    next: str | None = Field(None, description="The `cursor` of the next page; null at the end.")
