"""Background learning of the indexer: new tags, and clusters that no longer fit."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from shared.contracts.base import Wire


class LearningState(StrEnum):
    """`off`: disabled; `idle`: nothing to learn; `due`: it starts once there are no changes."""

    OFF = "off"
    IDLE = "idle"
    DUE = "due"
    RUNNING = "running"


class LearningTask(StrEnum):
    """Task of background learning."""

    TRAINING = "training"
    CLUSTERING = "clustering"


class Learning(Wire):
    """State of the matching network and the clusters relative to the collection."""

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

    state: LearningState = Field(description="State of background learning.")
    tasks: list[LearningTask] = Field(description="Tasks that are due or running.")
    tags: int = Field(description="Number of tags that images carry.")
    known_tags: int | None = Field(
        description="Number of these that the network was trained on; null: unknown."
    )
    last: str | None = Field(description="Time at which learning last succeeded.")
    message: str = Field(description="Summary in one sentence.")
