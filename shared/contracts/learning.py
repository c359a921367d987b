"""Background learning of the indexer: new tags, and clusters that no longer fit."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from shared.contracts.base import Wire


class LearningState(StrEnum):
    """`off`: switched off; `idle`: nothing is worth it; `due`: it starts once all is quiet."""

    OFF = "off"
    IDLE = "idle"
    DUE = "due"
    RUNNING = "running"


class LearningTask(StrEnum):
    TRAINING = "training"
    CLUSTERING = "clustering"


class Learning(Wire):
    """How much of the collection the matching network and the clusters know."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "state": "due",
                    "tasks": ["training"],
                    "tags": 86,
                    "known_tags": 21,
                    "last": None,
                    "message": "The network knows 21 of 86 tags; training starts in the "
                    "background.",
                }
            ]
        }
    )

    state: LearningState
    tasks: list[LearningTask] = Field(description="What is due or running.")
    tags: int = Field(description="Number of tags that images carry.")
    known_tags: int | None = Field(
        description="Number of these that the network was trained on; null: there is no network "
        "of which that is known."
    )
    last: str | None = Field(description="Time at which learning last succeeded.")
    message: str
