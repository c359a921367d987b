"""Mapping of scores to probabilities, as stored in a snapshot and reported by statistics."""

from pydantic import ConfigDict, Field

from shared.contracts.base import Wire
from shared.contracts.metric import Metric

TAG = "tag"
"""The `space` of probabilities that a picture shows a tag which it carries."""


class Calibration(Wire):
    """Probability that a hit matches, by its score, interpolated linearly between knots.

    A match is a hit that shares a tag with the query, or carries the requested term. The curve is
    fitted to the first hits of a sample of queries, and evaluated on other queries.
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

    space: str = Field(description="Space of the scores: `visual` or `joint`.")
    metric: Metric = Field(description="Metric of the scores.")
    untrained: bool = Field(
        False,
        description="Whether it applies to terms that the matching network was not trained on.",
    )
    standardized: bool = Field(
        False,
        description="Whether `scores` are standard scores: standard deviations above the mean "
        "cosine of the whole collection to the term. Such a curve was fitted on other pictures.",
    )
    peak_weight: float = Field(
        0,
        description="Weight in `scores`, if standardized, of log(1 + the best standard score) of "
        "the collection to the term.",
    )
    crowd_weight: float = Field(
        0,
        description="Weight in `scores`, if standardized, of the standard score that 1 % of the "
        "collection exceed.",
    )
    scores: list[float] = Field(description="Scores of the knots, ascending.")
    probabilities: list[float] = Field(description="Probability at each knot.")
    queries: int = Field(description="Number of sampled queries.")
    pairs: int = Field(description="Number of hits of these queries.")
    expected_error: float = Field(
        description="Expected calibration error on held-out queries, with bins of equal mass."
    )
    brier: float = Field(description="Mean squared error of the probabilities.")
    base_rate_brier: float = Field(
        description="Brier score of always predicting the share of matches."
    )
    predicted: list[float] = Field(
        description="Reliability curve: mean predicted probability of each bin."
    )
    matched: list[float] = Field(description="Reliability curve: share of matches in each bin.")

    @property
    def is_telling(self) -> bool:
        """True if it tells hits apart better than their mean does, on held-out queries."""
        return self.brier < self.base_rate_brier
