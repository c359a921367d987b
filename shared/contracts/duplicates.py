"""Duplicates with a budget of error: what may go, what stays for it, and how sure that is."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from shared.contracts.base import Choice, Request, Wire
from shared.contracts.curation import MOST_IDS, Id, Undo

BUDGET = 0.02
_KEPT: dict[str, Any] = {
    "id": "d0ed203b490efa13b89928e082c3728f",
    "uri": "castle/07.jpg",
    "width": 4000,
    "height": 3000,
    "bytes": 4_120_332,
    "taken_at": "2019-07-14T12:31:05",
}
_COPY: dict[str, Any] = {
    "id": "5f4dcc3b5aa765d61d8327deb882cf99",
    "uri": "castle/07-small.jpg",
    "width": 800,
    "height": 600,
    "bytes": 81_220,
    "taken_at": None,
    "kind": "same",
    "probability": 0.9994,
    "goes": True,
}
_PLAN = "a3f5c2d19b7e4c60"


class Likeness(Choice):
    """How two pictures are alike."""

    EXACT = "exact"
    """The same pixels, in two files."""
    SAME = "same"
    """The same picture: written anew, scaled, cropped, turned, marked and so on."""
    SCENE = "scene"
    """The same scene, in another picture."""


class Keep(Choice):
    """Rule for the picture of several that stays."""

    LARGEST = "largest"
    """The one with the most pixels, then the most bytes."""
    FACTS = "facts"
    """The one with a date and a place, tags and metadata; of equals, the largest."""


Budget = Annotated[float, Field(gt=0, le=0.5)]
_BUDGET_WORDS = "Share of the deleted pictures that may be wrong."
_KEEP_WORDS = "The picture of several that stays: the largest, or the one with facts."


class PlanQuery(Wire):
    """Parameters of a plan of deletions."""

    budget: Budget = Field(BUDGET, description=_BUDGET_WORDS)
    keep: Keep = Field(Keep.LARGEST, description=_KEEP_WORDS)
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(
        100, description="Number of groups on a page."
    )
    cursor: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="`next` of the previous page."
    )


class PlannedPicture(Wire):
    """A picture of a group."""

    id: str = Field(description="Id of the image.")
    uri: str = Field(description="Path or URL of the image.")
    width: int | None = Field(description="Width in pixels; null: unknown.")
    height: int | None = Field(description="Height in pixels; null: unknown.")
    bytes: int | None = Field(description="Size of the file; null: unknown.")
    taken_at: str | None = Field(description="When it was taken; null: unknown.")


class PlannedCopy(PlannedPicture):
    """A picture that is like the kept one."""

    kind: Likeness = Field(description="How it is like the kept picture.")
    probability: float = Field(description="Probability that both are the same picture.")
    goes: bool = Field(description="True: the plan deletes it.")


class PlannedGroup(Wire):
    """A picture that is kept, and those that were compared with it and are like it."""

    kept: PlannedPicture = Field(description="The picture that is kept.")
    others: list[PlannedCopy] = Field(description="Pictures like it, the surest first.")


class DuplicatePlan(Wire):
    """Deletions that keep to a budget of error."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "plan": _PLAN,
                    "budget": 0.01,
                    "keep": "largest",
                    "delete": 412,
                    "expected_wrong": 1.3,
                    "at_most_wrong": 4,
                    "confidence": 0.95,
                    "sentence": "Delete 412, expect at most 4 wrong.",
                    "exact": 120,
                    "same": 292,
                    "over_budget": 18,
                    "scenes": 57,
                    "pictures": 20_000,
                    "pairs": 131_402,
                    "waiting": 0,
                    "groups": [{"kept": _KEPT, "others": [_COPY]}],
                    "total": 395,
                    "next": None,
                }
            ]
        }
    )

    plan: str = Field(description="Name of exactly this plan, for `POST /v1/duplicates/delete`.")
    budget: float = Field(description=_BUDGET_WORDS)
    keep: Keep = Field(description=_KEEP_WORDS)
    delete: int = Field(description="Number of pictures that the plan deletes.")
    expected_wrong: float = Field(description="Number of these that is expected to be wrong.")
    at_most_wrong: int = Field(description="At most so many are wrong, with this `confidence`.")
    confidence: float = Field(description="Confidence of `at_most_wrong`.")
    sentence: str = Field(description="The same for a person to read.")
    exact: int = Field(description="Number of these with the same pixels as the kept picture.")
    same: int = Field(description="Number of these that are the same picture, changed.")
    over_budget: int = Field(
        description="Number of further pictures that are likely the same, but too unsure."
    )
    scenes: int = Field(
        description="Number of pairs of the same scene, of which none is ever deleted."
    )
    pictures: int = Field(description="Number of pictures that were compared.")
    pairs: int = Field(description="Number of pairs that were looked at.")
    waiting: int = Field(
        description="Number of pictures to compare: `POST /v1/duplicates/compare` does it."
    )

    @property
    def expectation(self) -> str:
        """Return the expected errors of its deletions, in a clause."""
        return (
            f"expect at most {self.at_most_wrong:,} wrong"
            if self.at_most_wrong
            else "expect none wrong"
        )

    groups: list[PlannedGroup] = Field(description="Groups of this page, those to delete first.")
    total: int = Field(description="Number of all groups.")
    next: str | None = Field(None, description="The `cursor` of the next page; null at the end.")


class DeleteDuplicates(Request):
    """Request to move the duplicates of a plan to the trash."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"plan": _PLAN, "budget": 0.01, "keep": "largest"}]}
    )

    plan: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        description="The `plan` that was shown; one that is no longer true is refused."
    )
    budget: Budget = Field(BUDGET, description=_BUDGET_WORDS)
    keep: Keep = Field(Keep.LARGEST, description=_KEEP_WORDS)
    but: Annotated[list[Id], Field(max_length=MOST_IDS)] = Field(
        [], description="Ids of images that stay, although the plan deletes them."
    )


class DuplicatesDeleted(Wire):
    """Result of deleting duplicates."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"deleted": 412, "merged": 31, "undo": "b0b2a2f3c1c94b2f9a3c5d6e7f809a1b"}]
        }
    )

    deleted: int = Field(description="Number of images that were moved to the trash.")
    merged: int = Field(
        description="Number of kept images that got tags or metadata of deleted ones."
    )
    undo: Undo
