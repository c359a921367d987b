"""Labels: what a model's classifier sees in a picture. They are suggestions, never tags."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from shared.contracts.base import Request, Wire

SHOWN = 5
"""Labels that an answer gives of a picture, at most."""
SHOWN_LEAST = 0.05
"""Least probability of a label that an answer gives."""
LEAST = 0.01
"""Least probability that may be asked for."""

Least = Annotated[float, Field(ge=LEAST, le=1)]
LabelName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Label(Wire):
    """A label of a picture and how probable the classifier finds it."""

    name: str = Field(description="Name of the label.")
    probability: float = Field(description="Probability given by the classifier.")


class LabelCount(Wire):
    """A label and the images that show it. `untagged`: those of them that lack it as a tag."""

    name: str = Field(description="Name of the label.")
    synset: str = Field(description="WordNet's noun of the class; empty where there is none.")
    images: int = Field(description="Number of images with the label.")
    untagged: int = Field(description="Number of these images that lack it as a tag.")


class LabelsQuery(Wire):
    """Parameters of a list of labels."""

    least: Least = Field(0.5, description="Least probability of a label at an image.")
    match: Annotated[str, Field(max_length=200)] = Field(
        "", description="Only labels with a name or synonym that contains this text."
    )
    name: Annotated[list[LabelName], Field(max_length=1000)] = Field(
        default_factory=list, description="Only labels with this name or synonym; repeatable."
    )
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(100, description="Number of labels.")


class LabelCounts(Wire):
    """Labels of the collection, the most frequent first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "least": 0.5,
                    "model": "lite-c44adaba2ee96d6f",
                    "source": "imagenet-1k",
                    "labelled": 2500,
                    "images": 2500,
                    "total": 1,
                    "shown": 31,
                    "untagged": 6,
                    "labels": [
                        {"name": "beagle", "synset": "n02088364", "images": 31, "untagged": 6}
                    ],
                }
            ]
        }
    )

    least: float = Field(description="Least probability at which a label counts.")
    model: str | None = Field(description="Model that the labels come from; null: no labels.")
    source: str | None = Field(description="Classes that the model's classifier knows.")
    labelled: int = Field(description="Images that have labels.")
    images: int = Field(description="Images of the collection.")
    total: int = Field(description="Labels that images show, and that match.")
    shown: int = Field(description="Images that show at least one of them.")
    untagged: int = Field(description="Tags that accepting all of them would add.")
    labels: list[LabelCount] = Field(description="Labels with counts.")


class AcceptLabelsRequest(Request):
    """Labels to add as tags."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"least": 0.8, "names": ["beagle"]}]})

    least: Least = Field(0.8, description="Least probability of a label to become a tag.")
    names: Annotated[list[LabelName], Field(min_length=1, max_length=1000)] | None = Field(
        None, description="Only these labels. Default: all."
    )
