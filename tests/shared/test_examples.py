"""The worked examples on the docs page are what the contract takes and gives."""

import pytest
from pydantic import BaseModel

from shared.contracts import embedder, indexer, query
from shared.contracts.base import Wire
from shared.contracts.problem import Problem

SHOWN: list[tuple[type[BaseModel], object]] = [
    (model, example)
    for module in (embedder, indexer, query)
    for model in vars(module).values()
    if isinstance(model, type) and issubclass(model, Wire) and model.__module__ == module.__name__
    for example in (model.model_config.get("json_schema_extra") or {}).get("examples", ())
] + [(Problem, Problem.model_config["json_schema_extra"]["examples"][0])]


@pytest.mark.parametrize(
    ("model", "example"), SHOWN, ids=lambda value: getattr(value, "__name__", "")
)
def test_an_example_is_valid(model, example):
    model.model_validate(example)


def test_there_is_one_for_what_is_asked_most():
    assert {
        indexer.IngestRequest, indexer.Job, indexer.Added, query.SearchRequest,
        query.SearchResponse, query.Stats, embedder.EmbedTermsRequest,
    } <= {model for model, _ in SHOWN}  # fmt: skip
