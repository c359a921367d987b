"""How many pictures match a search: what was learnt of it, as stored in a snapshot."""

from pydantic import Field

from shared.contracts.base import Wire

_FAIR = 0.75


class Logistic(Wire):
    """A logistic curve over several features; the first weight is the intercept."""

    weights: list[float] = Field(description="Weights of the features, on their own scale.")


class Linear(Wire):
    """A linear prediction from several features; the first weight is the intercept."""

    weights: list[float] = Field(description="Weights of the features, on their own scale.")


class RiskGroup(Wire):
    """Searches of like evidence: how often no match is among the first hits, by their evidence."""

    from_presence: float = Field(description="Least presence (log-odds) of the group's searches.")
    queries: int = Field(description="Number of its searches.")
    masses: list[float] = Field(description="Evidence of a list, ascending.")
    risks: list[float] = Field(description="Share of searches whose list has no match.")


class Counting(Wire):
    """Counts of matches, learnt from searches whose matches are known.

    Each hit has a probability by how near it is, how near the best are, and how far all pictures
    lie. Their sum is corrected, and the errors on searches of other tags give the interval.
    """

    near: Logistic = Field(description="Probability of a re-ranked hit.")
    far: Logistic = Field(description="Probability of the hits behind these.")
    correction: Linear = Field(description="Correction of the logarithm of the sum.")
    doubt: Linear = Field(description="Logarithm of the error to expect.")
    doubts: list[float] = Field(description="Knots of the doubt, ascending.")
    low: list[float] = Field(description="5 % quantile of the error at each knot.")
    high: list[float] = Field(description="95 % quantile of the error at each knot.")
    presence: Logistic = Field(description="Probability that anything matches.")
    least_presence: float = Field(
        description="Presence that 95 % of the searches with a match exceed (log-odds)."
    )
    groups: list[RiskGroup] = Field(description="What lists may promise.")
    queries: int = Field(description="Number of searches that taught it.")
    kinds: int = Field(description="Number of different tags of these searches.")
    error: float = Field(description="Mean error of the count's logarithm, on other tags.")
    base_error: float = Field(description="The same of always giving the middle count.")
    auroc: float = Field(
        description="How well presence tells searches with a match from the same without."
    )

    @property
    def tells_presence(self) -> bool:
        """True if presence tells searches with a match from those without clearly."""
        return self.auroc > _FAIR

    @property
    def is_telling(self) -> bool:
        """True if its counts are better than always giving the middle one."""
        return self.error < self.base_error
