"""Wire models of images in the catalogue: added, read, changed, deleted."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from shared.contracts.annotations import (
    MAX_TAG,
    MAX_TAGS,
    METADATA_DESCRIPTION,
    TAGS_DESCRIPTION,
    Metadata,
    Notes,
    check_tags,
)
from shared.contracts.base import Request, Wire
from shared.contracts.curation import Undo
from shared.contracts.facts import FILE_EXAMPLE, AddedAt, FileFacts

Tag = Annotated[str, Field(min_length=1, max_length=MAX_TAG)]
Tags = Annotated[
    list[Tag], Field(max_length=MAX_TAGS, description=TAGS_DESCRIPTION), AfterValidator(check_tags)
]


class AddState(StrEnum):
    """Result of adding a file. `exists`: its bytes were known."""

    ADDED = "added"
    EXISTS = "exists"
    FAILED = "failed"


class AddedItem(Wire):
    """Result of one uploaded file."""

    name: str = Field(description="Name of the uploaded file.")
    id: str | None = Field(description="Id of the image; null: the file failed.")
    state: AddState = Field(
        description="Result: `exists` if its bytes were known, in which case tags were merged."
    )
    error: str | None = Field(None, description="Error, in one sentence.")
    note: str | None = Field(None, description="Damage of a picture that was added nevertheless.")


class Added(Wire):
    """Result of an upload."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "name": "castle.jpg",
                            "id": "d0ed203b490efa13b89928e082c3728f",
                            "state": "added",
                            "error": None,
                            "note": "The file ends early; 97 % of it was read.",
                        },
                        {
                            "name": "notes.jpg",
                            "id": None,
                            "state": "failed",
                            "error": "The file is empty.",
                            "note": None,
                        },
                    ],
                    "snapshot": 4,
                }
            ]
        }
    )

    items: list[AddedItem] = Field(description="Result of each file, in order.")
    snapshot: int = Field(description="Number of the snapshot that contains them.")


class ImagePatch(Request):
    """Change of an image: given fields replace the old ones, the others stay."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tags": ["castle", "favourite"]}]})

    tags: Tags | None = Field(None, description="New tags; they replace the current ones.")
    metadata: Metadata | None = Field(
        None,
        description=f"New metadata; they replace the current ones. {METADATA_DESCRIPTION}",
    )


class Image(Wire):
    """An image of the catalogue."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "d0ed203b490efa13b89928e082c3728f",
                    "tags": ["castle", "night"],
                    "uris": ["castle/07.jpg"],
                    "metadata": {"album": "trip"},
                    "sha256": "d0ed203b490efa13b89928e082c3728f5a7bb4d5a0b4cf0f1c2b8a5a6f2a9d11",
                    "bytes": 18342,
                    "created_at": "2026-11-22T05:43:50+00:00",
                    "added_at": "2026-11-22T05:43:50+00:00",
                    "file": FILE_EXAMPLE,
                    "undo": None,
                }
            ]
        }
    )

    id: str = Field(description="Id of the image.")
    tags: list[str] = Field(description="Tags of the image.")
    uris: list[str] = Field(description="All paths and URLs of the image.")
    metadata: dict[str, Any] = Field(description="Metadata of the image.")
    sha256: str = Field(description="SHA-256 of the file; empty: imported as a vector.")
    bytes: int = Field(description="Size of the file; 0: imported as a vector.")
    created_at: str = Field(description="Time of its addition, ISO 8601.")
    added_at: AddedAt = None
    file: FileFacts = Field(FileFacts(), description="Facts from the file.")
    undo: Undo = None
    notes: Notes = None


class ShapesRequest(Request):
    """Request for the shapes of images."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ids": ["d0ed203b490efa13b89928e082c3728f"]}]}
    )

    ids: Annotated[list[str], Field(max_length=1000)] = Field(description="Ids of images.")


class Shapes(Wire):
    """Aspect ratios of images."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ratios": [1.5, 0.75, None]}]})

    ratios: list[float | None] = Field(
        description="Width by height of each image, in the order of the ids; null: its file can't "
        "be read."
    )


class Deleted(Wire):
    """Result of a deletion."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "d0ed203b490efa13b89928e082c3728f",
                    "deleted": True,
                    "undo": "b0b2a2f3c1c94b2f9a3c5d6e7f809a1b",
                }
            ]
        }
    )

    id: str = Field(description="Id of the image.")
    deleted: bool = Field(description="Always true.")
    undo: Undo = None
