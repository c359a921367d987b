"""Plan or result of a sync."""

from enum import StrEnum

from pydantic import Field

from shared.contracts.base import Wire


class SyncAction(StrEnum):
    """Action of a sync on a file. `change`: its path contains another picture now. `copy`: an
    indexed picture at one more path.
    """

    ADD = "add"
    CHANGE = "change"
    MOVE = "move"
    COPY = "copy"
    RETAG = "retag"
    DELETE = "delete"


class SyncStep(Wire):
    """Action of a sync on one file."""

    action: SyncAction = Field(description="Action on the file.")
    uri: str = Field(description="Path or URL of the file.")
    was: str | None = Field(None, description="Former uri of a moved file.")
    tags: list[str] = Field(description="Tags given by the source.")


class HeldFolder(Wire):
    """A folder of a source whose missing pictures stay in the collection."""

    folder: str = Field(description="Path within the source.")
    files: int = Field(description="Number of pictures taken from it.")
    reason: str = Field(description="Reason, in one sentence.")


class SyncPlan(Wire):
    """`plan` in the result of a sync's dry run."""

    counts: dict[SyncAction, int] = Field(description="Number of steps of each action.")
    embed: int = Field(description="Number of files to embed, at most.")
    unchanged: int = Field(description="Number of unchanged files.")
    dismissed: int = Field(description="Number of files whose pictures a user deleted.")
    needs_force: bool = Field(description="Whether `force` is required.")
    held_back: list[HeldFolder] = Field(
        default_factory=list, description="Folders whose missing pictures are kept."
    )
    steps: list[SyncStep] = Field(description="First steps of the plan.")
    left_out: int = Field(0, description="Number of steps that are not listed.")
