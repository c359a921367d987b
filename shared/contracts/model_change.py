"""Receipt of a model change: what it was expected to change, and what came."""

from typing import Any

from pydantic import ConfigDict, Field

from shared.contracts.base import Wire

_EXAMPLE: dict[str, Any] = {
    "former": "mini-bd7a04c10886955e",
    "new": "lite-c44adaba2ee96d6f",
    "pictures": 20000,
    "sample": 504,
    "per_second": 41.3,
    "seconds": 615.4,
    "disk_bytes": 122880000,
    "expected": {"change": 0.25, "low": 0.19, "high": 0.31},
    "agreement": 0.41,
    "judged": None,
    "note": None,
    "came": {"before": 0.607, "after": 0.869, "change": 0.262, "searches": 2000},
}


class ExpectedChange(Wire):
    """Expected change of P@10, the share of right hits among the first ten."""

    change: float = Field(description="Expected difference, new model less former model.")
    low: float = Field(description="Lower end of its 95 % interval.")
    high: float = Field(description="Upper end of its 95 % interval.")


class JudgedPairs(Wire):
    """Pairs of a right and a wrong hit of one search, as a person judged them."""

    pairs: int = Field(description="Number of pairs whose pictures are in the sample.")
    former: float = Field(description="Share that the former model orders right.")
    new: float = Field(description="Share that the new model orders right.")


class MeasuredChange(Wire):
    """Change of P@10, measured in the whole collection."""

    before: float = Field(description="P@10 of the former index.")
    after: float = Field(description="P@10 of the new index.")
    change: float = Field(description="Difference of both.")
    searches: int = Field(description="Number of searches, the same ones before and after.")


class ModelChange(Wire):
    """Receipt of a model change, in the `result` of its job as `receipt`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    former: str = Field(description="Fingerprint of the former model.")
    new: str = Field(description="Fingerprint of the new model.")
    pictures: int = Field(description="Number of pictures to embed.")
    sample: int = Field(description="Number of pictures that both models embedded beforehand.")
    per_second: float | None = Field(
        description="Pictures per second, as embedded for the sample; null: embedded before."
    )
    seconds: float | None = Field(
        description="Expected duration of the whole change; null: not known."
    )
    disk_bytes: int = Field(description="Disk space that the new features and index take.")
    expected: ExpectedChange | None = Field(description="Null: too few tags tell it.")
    agreement: float = Field(
        description="Share of the ten nearest of a picture that both models have, in the sample."
    )
    judged: JudgedPairs | None = Field(
        description="What judgements tell; null: too few were made of searches by a picture."
    )
    note: str | None = Field(description="What can't be told, in one sentence.")
    came: MeasuredChange | None = Field(
        None, description="What came, once the change is done; null before, and without tags."
    )
