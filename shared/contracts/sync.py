"""What a sync would do, or did."""

from enum import StrEnum

from shared.contracts.base import Wire


class SyncAction(StrEnum):
    """What a sync does about a file. `change`: its path holds another picture now. `copy`: a
    picture that is there already, at one more path."""

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


class SyncPlan(Wire):
    """`plan` in the result of a sync's dry run. `left_out`: steps that are counted but not listed.

    `embed`: how many files must be embedded, at most.
    """

    counts: dict[SyncAction, int]
    embed: int
    unchanged: int
    dismissed: int
    needs_force: bool
    steps: list[SyncStep]
    left_out: int = 0
