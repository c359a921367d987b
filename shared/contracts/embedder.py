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
"""Identifies the process that answered."""
PROFILE_HEADER = "X-ISE-Profile"
"""Asks for the models of another profile than that of the settings."""
NOTES_HEADER = "X-ISE-Notes"
"""JSON: notes on damaged files that were read nevertheless, by index."""
COLORS_HEADER = "X-ISE-Colors"
"""In a request, asks for the colours of files too; in the answer, base64 of their shares, a byte
for each name in the order of `shared.core.color_names.NAMES`."""
FILES_HEADER = "X-ISE-Files"
"""Number of files of a call, so that it can be admitted before its body is read."""
PRIORITY_HEADER = "Priority"
BULK_PRIORITY = "u=7"
"""Priority of requests that nobody waits for (RFC 9218): default 3, lower numbers first."""
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
    """A hosted model."""

    fingerprint: str = Field(description="Fingerprint of the model.")
    architecture: str = Field(description="Name of the architecture.")
    dim: int = Field(description="Length of its vectors.")


class EngineSpeed(Wire):
    """Speed of an engine, measured at its first start on this processor."""

    images_per_second: float = Field(description="Images per second, decoding not included.")
    limit: float = Field(
        description="Images per second that the processor's fastest matrix product would allow in "
        "the engine's precision; int8: in fp32."
    )
    share: float = Field(description="The first, as a share of the second.")


class ImageModel(Model):
    """A hosted network for images."""

    engine: str = Field(
        description="Inference engine and precision, such as `openvino-bf16`. Features of two "
        "engines have a cosine of at least 0.999; int8 has a fingerprint of its own."
    )
    speed: EngineSpeed | None = Field(
        None, description="Its measured speed; null: not measured yet."
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
                        "speed": {"images_per_second": 1210.4, "limit": 1650.2, "share": 0.733},
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

    visual: ImageModel = Field(description="Network for searches by image.")
    matching: ImageModel = Field(description="Network for matching images with terms.")
    words: Model = Field(description="Word vectors.")
    networks: list[str] = Field(description="Fingerprints of the matching networks that fit these.")
    joint: str | None = Field(
        None,
        description="Fingerprint of the joint space, if its towers were trained together; null: "
        "the matching network is trained on the collection.",
    )
    instance: str = Field("", description="Identifier of this process.")
    decoding: str = Field(
        "", description="Versions and limits that decide which pictures can be decoded."
    )


class EmbedTermsRequest(Request):
    """Request to embed terms."""

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
    """Rows of features as JSON."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"fingerprint": "words-4a1efda12995a5db", "dim": 3, "vectors": [[0.12, -0.4, 0.05]]}
            ]
        }
    )

    fingerprint: str = Field(description="Fingerprint of the model.")
    dim: int = Field(description="Length of a vector.")
    vectors: list[list[float] | None] = Field(
        description="One vector per item; null for an unknown term."
    )
    notes: dict[int, str] = Field(
        default={}, description="Notes on damaged files that were read nevertheless, by index."
    )


class MatchingLoss(Choice):
    """`batch`: InfoNCE over the terms of a batch; `margin`: pair by pair, within a margin."""

    BATCH = "batch"
    MARGIN = "margin"


class TrainingSettings(Request):
    """Settings for training the matching network; the defaults measured best."""

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
    """Request to train on the set that the indexer published as `training/<training_set>/`."""

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
    """Result of a training. Figures on held-out images are null if there are none.

    These images also choose the epoch that is kept, so the figures are slightly optimistic.
    """

    images: int = Field(description="Number of training images.")
    held_out: int = Field(description="Number of held-out images.")
    terms: int = Field(description="Number of terms.")
    terms_without_word: list[str] = Field(description="Terms without a word vector.")
    epochs: int = Field(description="Number of epochs that ran.")
    seed: int = Field(description="Random seed.")
    train_loss: float = Field(description="Training loss of the last epoch.")
    held_out_loss: float | None = Field(description="Loss on the held-out images.")
    precision_at_1: float | None = Field(
        description="Share of tags whose first image matches, on held-out images."
    )
    precision_at_10: float | None = Field(
        description="Share of matches among the first ten images by tag, on held-out images."
    )
    mean_average_precision: float | None = Field(
        description="Mean average precision of images by tag, on held-out images."
    )
    losses: list[float] = Field(description="Mean training loss of each epoch.")
    seconds: float = Field(description="Duration of the training.")
    loss: MatchingLoss = Field(MatchingLoss.BATCH, description="Loss function.")
    hard_negatives: int = Field(
        0, description="Number of each row's most similar negatives that count; 0: all."
    )
    best_epoch: int | None = Field(
        None, description="Epoch with the best mAP, which is kept; null: the last one."
    )
    calibration: list[Calibration] = Field(
        default_factory=list,
        description="Probability that an image carries the term, by score; empty if there were "
        "too few held-out images.",
    )
    labels: str | None = Field(
        None,
        description="Digest of the named classes that the joint space begins from; null: none, so "
        "that it knows tags alone.",
    )


class TrainingProgress(Wire):
    """Event after each epoch."""

    event: Literal["progress"] = "progress"
    epoch: int = Field(description="Number of the epoch, from 1.")
    epochs: int = Field(description="Largest number of epochs.")
    loss: float = Field(description="Mean training loss of the epoch.")


class TrainingDone(Wire):
    """Last event of a successful training; the indexer publishes the network."""

    event: Literal["trained"] = "trained"
    fingerprint: str = Field(description="Fingerprint of the network.")
    report: TrainingReport = Field(description="Report of the training.")
    network: Base64Bytes = Field(description="Weights, as a safetensors file.")


class TrainingFailed(Wire):
    """Last event of a failed training."""

    event: Literal["failed"] = "failed"
    problem: dict[str, object] = Field(description="Problem document.")


TrainingEvent = Annotated[
    TrainingProgress | TrainingDone | TrainingFailed, Field(discriminator="event")
]
