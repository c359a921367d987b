"""Wire models of the short codes of an index: their form, and what led to it."""

from pydantic import Field

from shared.contracts.base import Wire


class CodeTrial(Wire):
    """Counted work of a search with codes of one form, on a part of the collection."""

    directions: int = Field(description="Principal dimensions that a code tells of.")
    bytes: int = Field(description="Bytes of a code.")
    compared: list[int] = Field(
        description="Mean number of codes compared, for each of the recall targets."
    )
    depth: list[int] = Field(
        description="Rows compared exactly, for each of the recall targets; the deepest look that "
        "was measured where it doesn't reach one."
    )
    cost: float = Field(description="Work of a search, mean of the targets, in nanoseconds.")


class Codes(Wire):
    """Form of an index's codes, and the trials among which it was chosen at the build."""

    directions: int = Field(description="Principal dimensions that a code tells of.")
    bytes: int = Field(description="Bytes of a code; what a row takes in memory.")
    targets: list[float] = Field(
        default_factory=list, description="Recall targets that the trials measured."
    )
    rows: int = Field(0, description="Rows that the trials looked at; 0: nothing was measured.")
    trials: list[CodeTrial] = Field(
        default_factory=list, description="Forms that were tried, the usual one first."
    )
