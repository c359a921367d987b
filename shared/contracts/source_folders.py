"""Wire models of the folders that may be ingested, to choose one by looking."""

from typing import Annotated

from pydantic import ConfigDict, Field

from shared.contracts.base import Wire

_HOME = "/home/me/Pictures"


class SourceFoldersQuery(Wire):
    path: Annotated[str, Field(max_length=4096)] | None = Field(
        None, description="Folder to look into; without it, where to start."
    )
    confined: bool = Field(
        False, description="Show only folders in ISE_INGEST_ROOTS, even if any folder is allowed."
    )


class SourceFolder(Wire):
    """A folder that may be ingested."""

    name: str = Field(description="Name of the folder.")
    path: str = Field(description="Absolute path of the folder.")


class SourceFolders(Wire):
    """A folder on the indexer's machine and the folders in it, less hidden ones and links."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "path": _HOME,
                    "parent": "/home/me",
                    "folders": [{"name": "2024", "path": f"{_HOME}/2024"}],
                    "pictures": 12,
                    "complete": True,
                }
            ]
        }
    )

    path: str | None = Field(description="The folder; null: these are where to start.")
    parent: str | None = Field(description="The folder above, where it may be looked into.")
    folders: list[SourceFolder] = Field(description="Folders that may be ingested.")
    pictures: int = Field(0, description="Pictures right in it, as their names tell.")
    complete: bool = Field(True, description="False: the folder has more than is shown.")
