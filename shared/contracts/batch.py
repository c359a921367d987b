"""Wire models of many searches in one call."""

from typing import Annotated

from pydantic import ConfigDict, Field

from shared.contracts.answer import ANSWER_EXAMPLE, SearchResponse
from shared.contracts.base import Request, Wire
from shared.contracts.problem import Problem
from shared.contracts.query import SearchRequest

MAX_SEARCHES = 1000
"""Most searches of a batch that any setting allows."""


class BatchRequest(Request):
    """Many searches in one call."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "searches": [
                        {"term": "castle", "limit": 5},
                        {"id": "d0ed203b490efa13b89928e082c3728f"},
                    ]
                }
            ]
        }
    )

    searches: Annotated[list[SearchRequest], Field(min_length=1, max_length=MAX_SEARCHES)] = Field(
        description="Searches to answer, in order."
    )


class BatchAnswer(Wire):
    """Answer or problem of one search of a batch."""

    answer: SearchResponse | None = Field(None, description="Answer, if the search succeeded.")
    problem: Problem | None = Field(None, description="Problem document, if the search failed.")


class BatchResponse(Wire):
    """The answers, in the order of the searches."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"answers": [{"answer": ANSWER_EXAMPLE, "problem": None}]}]}
    )

    answers: list[BatchAnswer] = Field(description="Answers, in the order of the searches.")
