"""Wire models for vectors from outside, export and import."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from shared.contracts.annotations import (
    MAX_TAGS,
    TAGS_TOLD,
    ImageId,
    Metadata,
    Notes,
    Uri,
    check_tags,
    check_uri,
)
from shared.contracts.base import Request, Seed, Wire
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
        default_factory=list, max_length=MAX_TAGS, description=TAGS_TOLD
    )
    uris: list[Uri] = Field(
        default_factory=list, max_length=_MAX_URIS, description="Paths or URLs of the image."
    )
    metadata: Metadata = Field(default_factory=dict)


class VectorItem(Record):
    """A vector, and what is said of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": "photos/7", "vector": [0.1, -0.4, 0.2], "tags": ["castle"]}]
        }
    )

    vector: list[float] = Field(
        min_length=1, max_length=MAX_DIM, description="Features of the image, as finite numbers."
    )


class FeaturesRequest(Request):
    """Vectors of one's own. `model` names what made them: those of two are never mixed."""

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
    """`exists`: the id was there with this vector; tags, uris and metadata were joined."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"added": 1, "exists": 0, "model": "external:clip-vit-b32-3", "snapshot": 2}
            ]
        }
    )

    added: int
    exists: int
    model: str
    snapshot: int


class ImportRequest(Request):
    """A folder that an export wrote, or a `.npy` file of vectors of one's own."""

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
    """`export.json`: what the files beside it are. `revision`: as of which catalogue change."""

    format: Literal[1] = 1
    space: ExportSpace
    fingerprint: str
    dim: int
    images: int
    revision: int
    created_at: str
    metric: Metric
    clusters: int
    seed: Seed
    trained_on: list[str] | None = Field(
        None, description="Of the joint space: the tags, in lower case, that its network learnt."
    )


class ExportedPlace(Wire):
    """A file of an image, on the machine that it was exported from."""

    path: Annotated[str, AfterValidator(check_uri)]
    uri: Uri
    mtime_ns: Annotated[int, Field(ge=_LEAST, le=_MOST)]
    bytes: Annotated[int, Field(ge=0, le=_MOST)]


class ExportedRecord(Record):
    """A line of `records.jsonl`."""

    sha256: Annotated[str, Field(max_length=64)] = ""
    bytes: Annotated[int, Field(ge=0, le=_MOST)] = 0
    created_at: Annotated[str, Field(max_length=40)] = ""
    files: list[ExportedPlace] = Field(default_factory=list, max_length=_MAX_URIS)
    notes: Notes = None
