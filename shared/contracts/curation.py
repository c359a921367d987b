"""Wire models of changes of many pictures at once, the trash, and what is taken back."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from shared.contracts.annotations import MAX_ID, MAX_TAG, MAX_TAGS, check_metadata, check_tags
from shared.contracts.base import Request, Wire
from shared.contracts.facts import FILE_EXAMPLE, AddedAt, FileFacts
from shared.contracts.filters import Filter

MOST_IDS = 100_000
MOST_ARCHIVED = 10_000
_TOKEN = "b0b2a2f3c1c94b2f9a3c5d6e7f809a1b"  # noqa: S105  (an example)
_ID = "d0ed203b490efa13b89928e082c3728f"

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID)]
Ids = Annotated[list[Id], Field(min_length=1, max_length=MOST_IDS)]
Tag = Annotated[str, Field(min_length=1, max_length=MAX_TAG)]
SomeTags = Annotated[list[Tag], Field(max_length=MAX_TAGS), AfterValidator(check_tags)]
Undo = Annotated[
    str | None,
    Field(description="Token for `POST /v1/undo/{token}`, good for a day; null: nothing changed."),
]


def _named(values: dict[str, Any]) -> dict[str, Any]:
    check_metadata({key: value for key, value in values.items() if value is not None})
    return values


class BulkRequest(Request):
    """Change of many images, in one step."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"ids": [_ID], "add_tags": ["favourite"], "remove_tags": ["todo"]},
                {"filter": {"must": [{"tag": "screenshot"}]}, "delete": True},
            ]
        }
    )

    ids: Ids | None = Field(None, description="Ids of the images.")
    filter: Filter | None = Field(None, description="Instead of ids: all images that meet it.")
    but: Annotated[list[Id], Field(max_length=MOST_IDS)] = Field(
        [], description="With `filter`: ids of images that stay as they are."
    )
    add_tags: SomeTags = Field([], description="Tags that each image gets.")
    remove_tags: SomeTags = Field([], description="Tags that each image loses.")
    metadata: Annotated[dict[str, Any], AfterValidator(_named)] = Field(
        {}, description="Metadata to set; the value null removes a field, the others stay."
    )
    delete: bool = Field(False, description="Move the images to the trash.")

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either `ids` or `filter`")
        if self.filter is not None and self.filter.is_empty:
            raise ValueError("an empty `filter` would be every image; give it a condition")
        if self.but and self.filter is None:
            raise ValueError("`but` goes with a `filter`")
        changes = bool(self.add_tags or self.remove_tags or self.metadata)
        if self.delete == changes:
            raise ValueError(
                "give `delete`, or some of `add_tags`, `remove_tags` and `metadata`, not both"
            )
        return self


class BulkFailure(Wire):
    """An image that stayed as it was, and why."""

    id: str = Field(description="Id of the image.")
    error: str = Field(description="Error, in one sentence.")


class Changed(Wire):
    """Result of a change of many images."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"changed": 12, "deleted": 0, "unknown": [], "failed": [], "undo": _TOKEN}]
        }
    )

    changed: int = Field(description="Images whose tags or metadata are others now.")
    deleted: int = Field(0, description="Images that were moved to the trash.")
    unknown: list[str] = Field([], description="Ids that no image has.")
    failed: list[BulkFailure] = Field([], description="Images that stayed as they were.")
    undo: Undo = None


class RenameRequest(Request):
    """New name of a tag; where there are images with it already, both tags become one."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"from": "grand_piano", "to": "piano"}]}
    )

    former: Tag = Field(alias="from", description="Tag to rename.")
    to: Annotated[Tag, AfterValidator(lambda tag: check_tags([tag])[0])] = Field(
        description="Its new name."
    )


class Renamed(Wire):
    """Result of renaming a tag."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"changed": 25, "merged": 3, "undo": _TOKEN}]}
    )

    changed: int = Field(description="Number of images that were changed.")
    merged: int = Field(description="Number of images that already had the other tag.")
    undo: Undo = None


class Undone(Wire):
    """Result of an undo."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"changed": 12, "restored": 0, "trashed": 0, "left": 0}]}
    )

    changed: int = Field(description="Images that have their former tags and metadata again.")
    restored: int = Field(description="Images that came back from the trash.")
    trashed: int = Field(description="Images that were added, and are in the trash now.")
    left: int = Field(
        description="Images that stayed as they are: they are gone for good, or are there again."
    )


class TrashedImage(Wire):
    """An image in the trash."""

    id: str = Field(description="Id of the image.")
    tags: list[str] = Field(description="Tags of the image.")
    uri: str = Field(description="Path or URL of the image, for display.")
    uris: list[str] = Field(description="All paths and URLs of the image.")
    metadata: dict[str, Any] = Field(description="Metadata of the image.")
    added_at: AddedAt = None
    file: FileFacts = Field(FileFacts(), description="Facts from the file.")
    deleted_at: str = Field(description="Time of the deletion, ISO 8601.")
    expires_at: str | None = Field(description="When it is deleted for good.")


class TrashQuery(Wire):
    """Parameters of a list of the trash."""

    limit: Annotated[int, Field(ge=1, le=1000)] = Field(
        100, description="Number of images on a page."
    )
    cursor: Annotated[str, Field(max_length=8000)] | None = Field(
        None, description="`next` of the previous page."
    )


class TrashPage(Wire):
    """A page of the trash, what was deleted last first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "images": [
                        {
                            "id": _ID,
                            "tags": ["castle"],
                            "uri": "castle/07.jpg",
                            "uris": ["castle/07.jpg"],
                            "metadata": {},
                            "added_at": "2026-11-22T05:43:50+00:00",
                            "file": FILE_EXAMPLE,
                            "deleted_at": "2026-11-29T09:12:00+00:00",
                            "expires_at": "2026-12-29T09:12:00+00:00",
                        }
                    ],
                    "total": 1,
                    "days": 30,
                    "next": None,
                }
            ]
        }
    )

    images: list[TrashedImage] = Field(description="Images of this page.")
    total: int = Field(description="Number of images in the trash.")
    days: float = Field(
        30,
        description="Days that a deleted image stays in the trash (ISE_TRASH_DAYS); 0: images are "
        "deleted for good at once.",
    )
    next: str | None = Field(None, description="The `cursor` of the next page; null on the last.")


class RestoreRequest(Request):
    """Images to bring back from the trash."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ids": [_ID]}]})

    ids: Ids = Field(description="Ids of images in the trash.")


class Restored(Wire):
    """Result of restoring images."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"restored": [_ID], "unknown": [], "unsearchable": []}]}
    )

    restored: list[str] = Field(description="Ids of the restored images.")
    unknown: list[str] = Field(description="Ids that are not in the trash.")
    unsearchable: list[str] = Field(
        [],
        description="Restored images that another model embedded; the next build embeds them anew.",
    )


class Emptied(Wire):
    """How many images were deleted for good."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"deleted": 4}]})

    deleted: int = Field(description="Number of images that were deleted for good.")


class ArchiveRequest(Request):
    """Images whose files are wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ids": [_ID]}]})

    ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_ARCHIVED)] | None = Field(
        None, description="Ids of the images."
    )
    filter: Filter | None = Field(None, description="Instead of ids: all images that meet it.")
    but: Annotated[list[Id], Field(max_length=MOST_IDS)] = Field(
        [], description="With `filter`: ids of images to leave out."
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either `ids` or `filter`")
        if self.but and self.filter is None:
            raise ValueError("`but` goes with a `filter`")
        return self


class FactsRequest(Request):
    """Request to read the facts of pictures' files."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"again": False}]})

    again: bool = Field(False, description="Also of pictures whose facts and colours are known.")
