"""Judgements: a person's word on hits, right or wrong. Never tags."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from shared.contracts.base import Request, Wire

MAX_JUDGEMENTS = 1000
MAX_SEARCH = 200
"""Most characters of a search that hits are judged for."""

SCREEN = 24
"""Hits that are asked of together, each taken as what is likelier."""

_EXAMPLE: dict[str, Any] = {
    "search": {"term": "castle"},
    "id": "d0ed203b490efa13b89928e082c3728f",
    "right": True,
}


class JudgedSearch(Request):
    """The search that a hit belongs to: by a term, or by an indexed picture."""

    term: Annotated[str, Field(min_length=1, max_length=MAX_SEARCH)] | None = Field(
        None, description="A tag or a word."
    )
    id: Annotated[str, Field(min_length=1, max_length=MAX_SEARCH)] | None = Field(
        None, description="Id of an indexed image."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.term is None) == (self.id is None):
            raise ValueError("give either `term` or `id`")
        return self


class Draw(Request):
    """How a hit came to be judged, as `GET /v1/judgements/questions` said."""

    survey: Annotated[str, Field(max_length=64)] = Field(description="Name of the survey.")
    weight: Annotated[float, Field(gt=0, lt=1e9)] = Field(
        description="How many hits of the survey this one stands for, over their number."
    )
    predicted: Annotated[float, Field(ge=0, le=1)] = Field(
        description="Probability that it would be right."
    )


class JudgementRequest(Request):
    """A person's word on one hit of a search."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    search: JudgedSearch = Field(description="The search.")
    id: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="Id of the hit.")
    right: bool | None = Field(
        description="Whether it is what was searched for; null takes the judgement back."
    )
    draw: Draw | None = Field(None, description="How it was drawn, if it was a question.")


class Judgement(Wire):
    """A judgement that is kept."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [_EXAMPLE | {"judged_at": "2026-11-22T05:43:50+00:00"}]}
    )

    search: JudgedSearch = Field(description="The search.")
    id: str = Field(description="Id of the hit.")
    right: bool | None = Field(description="Whether it is right; null: it was taken back.")
    draw: Draw | None = Field(None, description="How it was drawn, if it was a question.")
    judged_at: str = Field(description="Time of the judgement, ISO 8601.")


class JudgementsQuery(Wire):
    """Parameters of a list of judgements."""

    limit: Annotated[int, Field(ge=1, le=MAX_JUDGEMENTS)] = Field(
        100, description="Number of judgements on a page."
    )
    cursor: Annotated[str, Field(max_length=8000)] | None = Field(
        None, description="`next` of the previous page."
    )


class Judgements(Wire):
    """A page of judgements, the oldest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "judgements": [{**_EXAMPLE, "judged_at": "2026-11-22T05:43:50+00:00"}],
                    "total": 1,
                    "next": None,
                }
            ]
        }
    )

    judgements: list[Judgement] = Field(description="Judgements of this page.")
    total: int = Field(description="Number of all judgements.")
    next: str | None = Field(None, description="The `cursor` of the next page; null on the last.")


class Question(Wire):
    """A hit whose judgement tells most."""

    search: JudgedSearch = Field(description="The search.")
    id: str = Field(description="Id of the hit.")
    draw: Draw = Field(description="How it was drawn; goes with the judgement.")


class Questions(Wire):
    """Hits to judge, in order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "questions": [
                        {
                            "search": {"id": "d0ed203b490efa13b89928e082c3728f"},
                            "id": "5c1f0a3b490efa13b89928e082c3728f",
                            "draw": {"survey": "9f2c", "weight": 0.8, "predicted": 0.55},
                        }
                    ],
                    "judged": 0,
                }
            ]
        }
    )

    questions: list[Question] = Field(description="Hits to judge.")
    judged: int = Field(description="Number of questions of this survey that were answered.")


class MeasuredPrecision(Wire):
    """The share of right hits among the first ten, measured by judgements."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"precision_at_10": 0.84, "low": 0.79, "high": 0.89, "judged": 60}]
        }
    )

    precision_at_10: float | None = Field(
        description="Of searches by a picture of the collection; null: too few judgements."
    )
    low: float | None = Field(description="Lower end of its 90 % interval.")
    high: float | None = Field(description="Upper end of its 90 % interval.")
    judged: int = Field(description="Number of judgements that it is measured by.")
