"""How scores become probabilities, as a snapshot keeps it and statistics tell it."""

from pydantic import ConfigDict, Field

from shared.contracts.base import Wire
from shared.contracts.metric import Metric

TAG = "tag"
"""The `space` of probabilities that a picture shows a tag which it carries."""


class Calibration(Wire):
    """The chance that a hit matches, by its score: straight lines between these knots.

    A match is a hit that shares a tag with the query, or carries the term that was asked for.
    Fitted over the first hits of a sample of queries; what it's worth was measured on other queries
    than it was fitted on.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "space": "visual",
                    "metric": "cosine",
                    "scores": [0.31, 0.62, 0.93],
                    "probabilities": [0.04, 0.35, 0.97],
                    "queries": 1000,
                    "pairs": 20000,
                    "expected_error": 0.021,
                    "brier": 0.11,
                    "base_rate_brier": 0.22,
                    "predicted": [0.05, 0.5, 0.95],
                    "matched": [0.04, 0.52, 0.96],
                }
            ]
        }
    )

    space: str
    metric: Metric
    untrained: bool = Field(
        False, description="Whether it is of terms that the matching network was not trained on."
    )
    standardized: bool = Field(
        False,
        description="Whether `scores` are standard scores: standard deviations above the mean "
        "cosine of the whole collection to the term. Such a curve was fitted on other pictures.",
    )
    scores: list[float]
    probabilities: list[float]
    queries: int
    pairs: int
    expected_error: float = Field(
        description="Expected calibration error, over bins of equal mass, of held-out queries."
    )
    brier: float = Field(description="Mean squared error of the probabilities.")
    base_rate_brier: float = Field(description="That of always telling the share that matched.")
    predicted: list[float] = Field(description="The reliability curve: mean probability told.")
    matched: list[float] = Field(description="And the share that matched, of each bin.")

    @property
    def is_telling(self) -> bool:
        """True if it tells hits apart better than their mean does, on held-out queries."""
        return self.brier < self.base_rate_brier
