"""Wire models for imported vectors, exports and imports."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from shared.contracts.annotations import (
    MAX_TAGS,
    TAGS_DESCRIPTION,
    ImageId,
    Metadata,
    Notes,
    Uri,
    check_tags,
    check_uri,
)
from shared.contracts.base import Request, Seed, Wire
from shared.contracts.facts import FileFacts
from shared.contracts.query import Metric
from shared.models.external import is_model

MAX_DIM = 65_536
MAX_ITEMS = 1000
_MAX_URIS = 10_000
# The catalogue's integers have 64 bits.
_LEAST, _MOST = -(2**63), 2**63 - 1


def _checked_model(text: str) -> str:
    if not is_model(text):
        raise ValueError("a name has letters, digits, dots, dashes and underscores, at most 100")
    return text


ModelName = Annotated[str, AfterValidator(_checked_model)]


class Record(Request):
    """Annotations of a vector. `uris`: where the image can be found."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": "photos/7", "tags": ["castle"], "uris": ["photos/7.jpg"]}]
        }
    )

    id: ImageId = Field(description="Id of the image.")
    tags: Annotated[list[str], AfterValidator(check_tags)] = Field(
        default_factory=list, max_length=MAX_TAGS, description=TAGS_DESCRIPTION
    )
    uris: list[Uri] = Field(
        default_factory=list, max_length=_MAX_URIS, description="Paths or URLs of the image."
    )
    metadata: Metadata = Field(default_factory=dict)


class VectorItem(Record):
    """A vector and its annotations."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": "photos/7", "vector": [0.1, -0.4, 0.2], "tags": ["castle"]}]
        }
    )

    vector: list[float] = Field(
        min_length=1, max_length=MAX_DIM, description="Features of the image, as finite numbers."
    )


class FeaturesRequest(Request):
    """Vectors computed by a model of your own."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "clip-vit-b32",
                    "items": [{"id": "photos/7", "vector": [0.1, -0.4, 0.2], "tags": ["castle"]}],
                }
            ]
        }
    )

    model: ModelName = Field(
        description="Name of the model that made the vectors; vectors of two models are "
        "never mixed."
    )
    items: list[VectorItem] = Field(
        min_length=1, max_length=MAX_ITEMS, description="Vectors to add."
    )


class FeaturesAdded(Wire):
    """Result of adding vectors."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"added": 1, "exists": 0, "model": "external:clip-vit-b32-3", "snapshot": 2}
            ]
        }
    )

    added: int = Field(description="Number of new images.")
    exists: int = Field(
        description="Number of images that had this vector already; tags, uris and metadata were "
        "merged."
    )
    model: str = Field(description="Fingerprint of the model.")
    snapshot: int = Field(description="Number of the snapshot that contains them.")


class ImportRequest(Request):
    """Request to import the folder of an export, or a `.npy` file of your own vectors."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"source": "/home/me/exported"},
                {
                    "source": "/home/me/clip.npy",
                    "ids": "/home/me/ids.txt",
                    "model": "clip-vit-b32",
                    "clusters": "auto",
                },
            ]
        }
    )

    source: Annotated[str, Field(min_length=1)] = Field(
        description="Absolute path of the folder of an export, or of a .npy file."
    )
    ids: str | None = Field(
        None,
        description="For a .npy file: path of a file with one id per line, or JSONL with `id`, "
        "`tags`, `uris` and `metadata`. Default: row numbers, from 0.",
    )
    model: ModelName | None = Field(
        None, description="For a .npy file: name of the model that made the vectors."
    )
    build: bool = Field(True, description="Rebuild the index afterwards.")
    clusters: Literal["auto"] | Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None,
        description="Number of clusters. Default: as in the exported index, if the "
        "collection was empty.",
    )


class ExportSpace(StrEnum):
    """Kind of exported vectors: for image to image, the matching network's input, or its output."""

    VISUAL = "visual"
    MATCHING = "matching"
    JOINT = "joint"


class ExportInfo(Wire):
    """Contents of `export.json`, which describes the files beside it."""

    format: Literal[1] = 1
    space: ExportSpace = Field(description="Space of the vectors.")
    fingerprint: str = Field(description="Fingerprint of the model.")
    dim: int = Field(description="Length of a vector.")
    images: int = Field(description="Number of images.")
    revision: int = Field(description="Revision of the catalogue.")
    created_at: str = Field(description="Time of the export, ISO 8601.")
    metric: Metric = Field(description="Metric of the index.")
    clusters: int = Field(description="Number of clusters of the index.")
    seed: Seed = Field(description="Random seed of the clustering.")
    trained_on: list[str] | None = Field(
        None, description="For the joint space: tags in lower case that its network was trained on."
    )


class ExportedPlace(Wire):
    """A file of an image, on the exporting machine."""

    path: Annotated[str, AfterValidator(check_uri)]
    uri: Uri
    mtime_ns: Annotated[int, Field(ge=_LEAST, le=_MOST)]
    bytes: Annotated[int, Field(ge=0, le=_MOST)]


def _is_none(value: object) -> bool:
    return value is None


class ExportedRecord(Record):
    """A line of `records.jsonl`."""

    sha256: Annotated[str, Field(max_length=64)] = ""
    bytes: Annotated[int, Field(ge=0, le=_MOST)] = 0
    created_at: Annotated[str, Field(max_length=40)] = ""
    files: list[ExportedPlace] = Field(default_factory=list, max_length=_MAX_URIS)
    file: FileFacts | None = Field(
        None,
        description="Facts of its file, where they are known.",
        exclude_if=_is_none,
    )
    notes: Notes = None
