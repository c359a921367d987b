"""Plan or result of a sync."""

from enum import StrEnum

from pydantic import Field

from shared.contracts.base import Wire


class SyncAction(StrEnum):
    """Action of a sync on a file. `change`: its path holds another picture now. `copy`: a picture
    that is there already, at one more path.
    """

    ADD = "add"
    CHANGE = "change"
    MOVE = "move"
    COPY = "copy"
    RETAG = "retag"
    DELETE = "delete"


class SyncStep(Wire):
    """`was`: the file's uri before it moved. `tags`: what the source says of it now."""

    action: SyncAction
    uri: str
    was: str | None = None
    tags: list[str]


class HeldFolder(Wire):
    """A folder of a source whose pictures are gone or out of reach, and stay in the collection.

    `folder`: its path within the source. `files`: how many pictures were taken from it.
    """

    folder: str
    files: int
    reason: str


class SyncPlan(Wire):
    """`plan` in the result of a sync's dry run. `left_out`: steps that are counted but not listed.

    `embed`: how many files must be embedded, at most.
    """

    counts: dict[SyncAction, int]
    embed: int
    unchanged: int
    dismissed: int
    needs_force: bool
    held_back: list[HeldFolder] = Field(default_factory=list)
    steps: list[SyncStep]
    left_out: int = 0
