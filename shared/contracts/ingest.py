"""Wire models of an ingest: what a source is and how it is followed."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from shared.contracts.base import Choice, Request


class TagsFrom(Choice):
    """Origin of an ingest's tags."""

    FOLDER = "folder"
    MANIFEST = "manifest"
    NONE = "none"


class IngestRequest(Request):
    """Request to ingest or sync a source."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"source": "/home/me/Pictures", "clusters": "auto"}]}
    )

    source: Annotated[str, Field(min_length=1)] = Field(
        description="A folder, a .tar or .zip archive, or a manifest (CSV, JSONL, or a text of "
        "paths and URLs): an absolute path, s3://bucket/folder, or the http URL of a manifest."
    )
    tags_from: TagsFrom | None = Field(
        None, description="Default: `manifest` for a manifest, else `folder`."
    )
    build: bool = Field(
        True,
        description="Rebuild the index afterwards; a sync does so only if the collection was "
        "empty.",
    )
    clusters: Literal["auto"] | Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        "auto", description="Number of clusters; `auto` chooses it by the size of the collection."
    )
    confined: bool = Field(
        False, description="Accept only sources in ISE_INGEST_ROOTS, even if any folder is allowed."
    )
    sync: bool = Field(
        False, description="Follow the source: also apply moved, changed and deleted files."
    )
    dry_run: bool = Field(
        False, description="With `sync`: only plan; the job's result contains the plan."
    )
    force: bool = Field(
        False,
        description="With `sync`: delete all missing pictures, even half of the files or whole "
        "folders.",
    )
    force_in: list[str] = Field(
        default_factory=list,
        max_length=1000,
        description="With `sync`: folders whose pictures are deleted even if all of them are "
        "missing, by their paths in the source.",
    )

    exclude: list[Annotated[str, Field(min_length=1, max_length=1000)]] = Field(
        default_factory=list,
        max_length=1000,
        description="Exclude files by .gitignore patterns, in addition to those of `.iseignore` "
        "files. A sync treats excluded files as deleted.",
    )
    follow_links: bool = Field(
        False, description="Follow symbolic links to folders, within the allowed roots."
    )

    @model_validator(mode="after")
    def _options_of_sync(self) -> Self:
        if (self.dry_run or self.force or self.force_in) and not self.sync:
            raise ValueError("`dry_run`, `force` and `force_in` belong to a sync: add `sync`")
        return self
