"""Results of embedding files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.contracts.facts import COLORS_KEY


@dataclass(frozen=True)
class Embedded:
    """Features of one file by fingerprint, or the error.

    `note`: damage of a file that was read nevertheless. `colors`: shares of its colours; None: not
    told. `is_passing`: the error may be another time's, as of a decoder that took too long.
    """

    features: dict[str, NDArray[np.float32]]
    error: str | None = None
    note: str | None = None
    colors: Mapping[str, float] | None = None
    is_passing: bool = False

    def completed(self, file: dict[str, Any]) -> dict[str, Any]:
        """Return the facts of the file with its colours."""
        return file if self.colors is None else {**file, COLORS_KEY: dict(self.colors)}


@dataclass
class EmbeddedSpace:
    """Result of files in one space: rows in their order, of zero length where a file failed;
    reasons, notes and colours by index; those of the reasons that may be another time's."""

    rows: list[NDArray[np.float32]]
    errors: dict[int, str] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    colors: dict[int, Mapping[str, float]] = field(default_factory=dict)
    passing: set[int] = field(default_factory=set)

    def put(self, indices: Sequence[int], part: "EmbeddedSpace") -> None:
        """Store the results for the files at these indices."""
        for at, index in enumerate(indices):
            self.rows[index] = part.rows[at]
        self.errors |= {indices[at]: reason for at, reason in part.errors.items()}
        self.notes |= {indices[at]: note for at, note in part.notes.items()}
        self.passing |= {indices[at] for at in part.passing}
        self.colors |= {indices[at]: shares for at, shares in part.colors.items()}
