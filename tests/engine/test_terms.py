"""What Milvus is told of a filter lets through all that the filter does."""

import pytest

from shared.contracts.filters import Filter
from shared.engines.milvus.terms import FIELD, expression, terms_of
from shared.snapshots.items import Item

POST = 1234567890123456789


def passes(said, item):
    """The expression, read as Milvus reads it."""
    held = set(terms_of(item))
    told = said.replace("array_contains", "holds")
    return bool(eval(told, {"holds": lambda _, term: term in held, FIELD: None}))  # noqa: S307


@pytest.mark.parametrize("value", [POST, 2**53, -(2**63), 2**64 - 1])
def test_an_exclusion_of_one_long_number_keeps_its_neighbours(value):
    neighbour = Item(0, "a", metadata={"post": value + (1 if value < 0 else -1)})
    itself = Item(1, "b", metadata={"post": value})
    wanted = Filter.model_validate({"must": [{"key": "post", "match": value}]})
    assert passes(expression(wanted), itself)
    unwanted = Filter.model_validate({"must_not": [{"key": "post", "match": value}]})
    said = expression(unwanted)
    assert not said or passes(said, neighbour)


def test_small_numbers_are_excluded_by_milvus_itself():
    unwanted = Filter.model_validate({"must_not": [{"key": "year", "match": 1999}]})
    said = expression(unwanted)
    assert not passes(said, Item(0, "a", metadata={"year": 1999.0}))
    assert passes(said, Item(1, "b", metadata={"year": 2000}))
