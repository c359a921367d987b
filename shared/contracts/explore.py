"""Looking around in a collection: near-duplicates, tags that may fit, a handful at random."""

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
    """Images at random, each as likely as any other."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"images": [_IMAGE]}]})

    images: list[ImageInfo]


class SuggestedTag(Wire):
    tag: str
    probability: float = Field(description="That it fits, as the image's neighbours tell.")
    images: int = Field(description="How many of the neighbours carry it.")


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

    id: str | None = Field(description="Null where the picture is not an indexed image.")
    tags: list[SuggestedTag]
    neighbours: int = Field(description="How many tagged images were asked.")
    labels: list[Label] = Field(
        default_factory=list,
        description="What the model's classifier sees in it and it doesn't carry as a tag.",
    )


class Alike(Wire):
    """An image of a group. `score`: its cosine similarity to the group's first."""

    id: str
    uri: str
    score: float


class DuplicateGroups(Wire):
    """Images that show the same, group by group."""

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

    groups: list[list[Alike]]
    threshold: float
    clusters: int
    looked_at: int = Field(description="How many clusters were compared up to here.")
    next: str | None = Field(None, description="The `cursor` of the next page; null at the end.")
