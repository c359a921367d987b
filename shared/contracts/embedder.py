"""Wire models of the embedder.

Rows of features travel as raw little-endian float32, row-major; the headers below say what they
are. JSON carries them only for people.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Base64Bytes, ConfigDict, Field

from shared.contracts.base import Choice, Request, Seed, Wire
from shared.contracts.calibration import Calibration

FINGERPRINT_HEADER = "X-ISE-Fingerprint"
DIM_HEADER = "X-ISE-Dim"
INSTANCE_HEADER = "X-ISE-Instance"
PROFILE_HEADER = "X-ISE-Profile"
"""Asks for the models of another profile than that of the settings."""
NOTES_HEADER = "X-ISE-Notes"
"""JSON: by a file's index, what was wrong with it though it was read."""
"""Names the process that answered, from its start to its end."""
PRIORITY_HEADER = "Priority"
BULK_PRIORITY = "u=7"
"""What nobody waits for, as RFC 9218 writes it; 3 is the default, and lower numbers go first."""
RAW_MEDIA_TYPE = "application/octet-stream"
EVENTS_MEDIA_TYPE = "application/x-ndjson"


class ImageSpace(StrEnum):
    """Kind of an image's features: of the search CNN, of the matching CNN, or its joint vector."""

    VISUAL = "visual"
    MATCHING = "matching"
    JOINT = "joint"


class TermSpace(Choice):
    """Kind of a term's features: its word vector, or its joint vector."""

    WORD = "word"
    JOINT = "joint"


class Model(Wire):
    """A model that is hosted."""

    fingerprint: str
    architecture: str
    dim: int


class ImageModel(Model):
    """A network of images that is hosted."""

    engine: str = Field(
        description="What runs it, and in which precision, like `openvino-bf16`. Features don't "
        "depend on it by more than a cosine of 0.999."
    )
    labels: str | None = Field(
        None,
        description="Digest of the classifier over named classes that the weights bring, from "
        "`GET /v1/labels/{fingerprint}`; null: none whose names are known.",
    )


class Models(Wire):
    """`GET /v1/models`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "visual": {
                        "fingerprint": "mini-bd7a04c10886955e",
                        "architecture": "mini",
                        "dim": 256,
                        "engine": "openvino-bf16",
                    },
                    "matching": {
                        "fingerprint": "mini-bd7a04c10886955e",
                        "architecture": "mini",
                        "dim": 256,
                        "engine": "openvino-bf16",
                    },
                    "words": {
                        "fingerprint": "words-4a1efda12995a5db",
                        "architecture": "word2vec",
                        "dim": 200,
                    },
                    "networks": ["match-8dc9c57327bb6d9f"],
                    "joint": None,
                    "instance": "8f1c2a9d40b7",
                }
            ]
        }
    )

    visual: ImageModel
    matching: ImageModel
    words: Model
    networks: list[str] = Field(description="Fingerprints of the matching networks that fit these.")
    joint: str | None = Field(
        None,
        description="Fingerprint of the joint space, where its towers were trained together and "
        "nothing is left to train.",
    )
    instance: str = Field("", description="Names this process, from its start to its end.")


class EmbedTermsRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"terms": ["castle", "red car"], "space": "word"}]}
    )

    terms: Annotated[list[str], Field(min_length=1, max_length=4096)] = Field(
        description="Terms to embed."
    )
    space: TermSpace = Field(
        TermSpace.JOINT,
        description="`word`: word vectors; `joint`: comparable with joint features.",
    )
    network: str | None = Field(
        None, description="Fingerprint of the matching network. Default: the current one."
    )
    allow_unknown: bool = Field(
        False,
        description="Return NaN (raw) or null (JSON) for a term without a word vector instead of "
        "refusing the call.",
    )


class Embeddings(Wire):
    """The JSON form of rows of features."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"fingerprint": "words-4a1efda12995a5db", "dim": 3, "vectors": [[0.12, -0.4, 0.05]]}
            ]
        }
    )

    fingerprint: str
    dim: int
    vectors: list[list[float] | None]
    notes: dict[int, str] = Field(
        default={}, description="What was wrong with files that were read all the same, by index."
    )


class MatchingLoss(Choice):
    """`batch`: InfoNCE over the terms of a batch; `margin`: pair by pair, within a margin."""

    BATCH = "batch"
    MARGIN = "margin"


class TrainingSettings(Request):
    """How to train the matching network; the defaults are what measured best."""

    loss: MatchingLoss = Field(MatchingLoss.BATCH, description="Loss function.")
    hard_negatives: Annotated[int, Field(ge=0, le=8192)] = Field(
        0, description="Number of each row's most similar negatives that count; 0: all."
    )
    margin: Annotated[float, Field(gt=0, le=2)] = Field(
        0.8, description="For the loss `margin`: distance (1 - cosine) to keep from negatives."
    )

    epochs: Annotated[int, Field(ge=1, le=1000)] = Field(
        10, description="Number of passes over the training set."
    )
    patience: Annotated[int, Field(ge=1, le=1000)] = Field(
        4,
        description="Number of epochs without a better mAP on held-out images before "
        "training stops.",
    )
    batch_size: Annotated[int, Field(ge=8, le=8192)] = Field(512, description="Rows per batch.")
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(3e-4, description="Learning rate.")
    weight_decay: Annotated[float, Field(ge=0, le=1)] = Field(1e-2, description="Weight decay.")
    hidden: Annotated[int, Field(ge=16, le=4096)] = Field(
        512, description="Width of the hidden layers."
    )
    temperature: Annotated[float, Field(gt=0, le=10)] = Field(
        0.1, description="Softmax temperature of the loss `batch`."
    )
    learnt_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.7,
        description="Share of the training's change to the initial regression to keep: a higher "
        "share favours known tags, a lower one words that no image is tagged with.",
    )
    holdout: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.1, description="Share of the images held out for evaluation."
    )
    seed: Seed = Field(0, description="Random seed; the same seed gives the same network.")


class TrainRequest(Request):
    """Trains on a set that the indexer has published in `training/<training_set>/`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"training_set": "32ecbc141217", "settings": {"epochs": 40, "seed": 0}}]
        }
    )

    training_set: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")] = Field(
        description="Name of the folder of the training set."
    )
    settings: TrainingSettings = Field(TrainingSettings(), description="Training parameters.")


class TrainingReport(Wire):
    """How a training went. Figures on the held-out images, or null where there are none.

    These images also choose the epoch that is kept, which makes the figures a little better than
    on images that had no say.
    """

    images: int
    held_out: int
    terms: int
    terms_without_word: list[str]
    epochs: int = Field(description="As many as ran.")
    seed: int
    train_loss: float
    held_out_loss: float | None
    precision_at_1: float | None = Field(description="tag -> image, over held-out images")
    precision_at_10: float | None = Field(description="tag -> image, over held-out images")
    mean_average_precision: float | None = Field(description="tag -> image, held-out images")
    losses: list[float] = Field(description="Mean training loss of each epoch.")
    seconds: float
    loss: MatchingLoss = Field(MatchingLoss.BATCH, description="Loss function.")
    hard_negatives: int = 0
    best_epoch: int | None = Field(
        None, description="The epoch that is kept, the best by mAP; null: the last one."
    )
    calibration: list[Calibration] = Field(
        default_factory=list,
        description="How likely an image carries the term, by score; empty without enough "
        "held-out images to learn it from.",
    )
    labels: str | None = Field(
        None,
        description="Digest of the named classes that the joint space begins from; null: none, so "
        "that it knows tags alone.",
    )


class TrainingProgress(Wire):
    event: Literal["progress"] = "progress"
    epoch: int
    epochs: int
    loss: float


class TrainingDone(Wire):
    """`network`: the safetensors file, to be published as `networks/<fingerprint>/`."""

    event: Literal["trained"] = "trained"
    fingerprint: str
    report: TrainingReport
    network: Base64Bytes


class TrainingFailed(Wire):
    event: Literal["failed"] = "failed"
    problem: dict[str, object]


TrainingEvent = Annotated[
    TrainingProgress | TrainingDone | TrainingFailed, Field(discriminator="event")
]
