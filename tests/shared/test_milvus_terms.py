"""What Milvus is told of a filter on tags."""

from shared.contracts.filters import Condition, Filter
from shared.engines.milvus.terms import expression, terms_of
from shared.snapshots.items import Item

TAG = Condition(tag="car side")
YEAR = Condition(key="year", match=1999)


def test_a_filter_asks_for_a_tag_by_its_normal_form():
    [term] = terms_of(Item(0, "a", ["Car_Side"]))
    assert term in expression(Filter(must=[TAG]))


def test_of_a_collection_with_older_keys_nothing_is_said_of_tags():
    said = expression(Filter(must=[YEAR]))
    assert expression(Filter(must=[TAG]), knows_tags=False) == ""
    assert expression(Filter(must=[TAG, YEAR]), knows_tags=False) == said
    assert expression(Filter(must_not=[TAG]), knows_tags=False) == ""
    assert expression(Filter(should=[TAG, YEAR]), knows_tags=False) == ""
    nested = Filter(must=[YEAR], must_not=[Condition(must=[TAG, YEAR])])
    assert expression(nested, knows_tags=False) == said


def test_labels_are_left_to_the_snapshot():
    # Milvus has no labels, so its expression must not rule anything out by them.
    beagle = {"label": "beagle", "least": 0.5}
    assert expression(Filter.model_validate({"must": [beagle]})) == ""
    assert expression(Filter.model_validate({"must_not": [beagle]})) == ""
    both = Filter.model_validate({"must": [beagle, {"tag": "dog"}]})
    assert expression(both) == expression(Filter.model_validate({"must": [{"tag": "dog"}]}))
    assert expression(Filter.model_validate({"should": [beagle, {"tag": "dog"}]})) == ""
