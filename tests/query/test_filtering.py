"""Filters against a plain reading of their conditions, over items drawn at random."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.filters import Condition, Filter
from shared.files.mapped import MappedFile, write_arrays
from shared.snapshots.filtering import Filtering
from shared.snapshots.items import Item, ItemsFile, tag_key, write_items
from shared.snapshots.metadata_index import metadata_arrays

TAGS = ["Dog", "dog", "cat", "straße", "STRASSE"]
KEYS = ["a", "b", "a.b", "c"]
# Numbers that a float can't tell from their neighbours, so near to each other that they meet.
CROWDED = st.builds(
    lambda base, off, sign: sign * (base + off),
    st.sampled_from([2**53, 1234567890123456789, 2**63 - 1, 2**64 - 4]),
    st.integers(-3, 3),
    st.sampled_from([1, -1]),
)
NUMBERS = st.one_of(
    st.sampled_from([0, 1, 2, 7, -1, -0.0, 1.5, 2.0, 0.1, 1e300, 10**25]),
    CROWDED,
    CROWDED.map(float),
    st.integers(-(2**63), 2**64 - 1),
)
TEXTS = st.one_of(
    st.sampled_from(["", "1", "01", "1.50", "2", "-1", "x", "é", "𝄞", "\uffff", "nan", "1_0"]),
    CROWDED.map(str),
)
DATES = st.dates().map(str)
SCALARS = st.booleans() | NUMBERS | TEXTS | DATES
VALUES = st.recursive(
    SCALARS | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("bc"), inner),
    max_leaves=4,
)
METADATA = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3)


def conditions():
    key = st.sampled_from([*KEYS, "nowhere"])
    bounds = st.one_of(
        [
            st.fixed_dictionaries({}, optional={low: value, high: value}).filter(bool)
            for value in (NUMBERS, TEXTS | DATES)
            for low in ("gt", "gte")
            for high in ("lt", "lte")
        ]
    )
    tests = st.one_of(
        SCALARS.map(lambda v: {"match": v}),
        st.lists(SCALARS, min_size=1, max_size=3).map(lambda v: {"any": v}),
        st.booleans().map(lambda v: {"exists": v}),
        bounds,
    )
    return st.one_of(
        st.sampled_from([*TAGS, "none"]).map(lambda tag: {"tag": tag}),
        st.builds(lambda k, t: {"key": k, **t}, key, tests),
    )


def filters(condition):
    several = st.lists(condition, max_size=2)
    return st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("must", "should", "must_not"), several)
    )


FILTERS = filters(conditions() | filters(conditions()).filter(lambda f: any(f.values())))


@st.composite
def histories(draw):
    """Items files, oldest first; later ones have new images, and new records of older ones."""
    files, newest = [], 0
    for _ in range(draw(st.integers(1, 3))):
        here = draw(st.sets(st.integers(0, newest + 4), max_size=6))
        newest = max(here, default=newest)
        tags = st.lists(st.sampled_from(TAGS), max_size=2)
        files.append([Item(o, f"id{o}", draw(tags), [], draw(METADATA)) for o in sorted(here)])
    return files


def values_at(metadata, key):
    """Every value that a key leads to, through objects and lists."""
    found = []

    def look(name, value):
        if isinstance(value, dict):
            for inner, held in value.items():
                look(f"{name}.{inner}", held)
        elif isinstance(value, list):
            for held in value:
                look(name, held)
        elif name == key and value is not None:
            found.append(value)

    for name, value in metadata.items():
        look(name, value)
    return found


def text_of(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def number_of(value):
    if isinstance(value, bool):
        return None
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"-?\d+(\.\d+)?", value):
        return None
    # Python compares whole numbers and floats as mathematics does.
    return float(value) if "." in value else int(value)


def is_met(value, test, bound):
    if isinstance(bound, int | float) and not isinstance(bound, bool):
        value = number_of(value)
        if value is None:
            return False
    else:
        value, bound = text_of(value), text_of(bound)
    return {
        "match": value == bound,
        "gt": value > bound,
        "gte": value >= bound,
        "lt": value < bound,
        "lte": value <= bound,
    }[test]


def meets(item, condition):
    if "tag" in condition:
        return tag_key(condition["tag"]) in map(tag_key, item.tags)
    if "key" not in condition:
        return passes(item, condition)
    values = values_at(item.metadata, condition["key"])
    tests = {name: bound for name, bound in condition.items() if name != "key"}
    if "exists" in tests:
        return bool(values) == tests["exists"]
    if "any" in tests:
        return any(is_met(v, "match", wanted) for v in values for wanted in tests["any"])
    return any(all(is_met(v, name, bound) for name, bound in tests.items()) for v in values)


def passes(item, asked):
    should = asked.get("should") or []
    return (
        all(meets(item, c) for c in asked.get("must", []))
        and (not should or any(meets(item, c) for c in should))
        and not any(meets(item, c) for c in asked.get("must_not", []))
    )


def opened(folder, files):
    folder.mkdir(exist_ok=True)
    for number, items in enumerate(files):
        write_items(folder / f"{number}.hdf5", items)
    return [ItemsFile(folder / f"{number}.hdf5") for number in range(len(files))]


@settings(max_examples=60)
@given(histories(), st.lists(FILTERS, min_size=1, max_size=8))
def test_a_filter_lets_through_what_a_plain_reading_of_it_does(fresh_library, files, asked):
    filtering = Filtering(opened(fresh_library().folder, files))
    newest = {item.ordinal: item for items in files for item in items}
    for one in asked:
        allowed = filtering.allowed(Filter.model_validate(one))
        for ordinal, item in newest.items():
            assert allowed[ordinal] == passes(item, one), (item, one)


def test_two_long_numbers_of_one_float_are_told_apart(tmp_path):
    first, second = 1234567890123456788, 1234567890123456789
    assert float(first) == float(second)
    items = [
        Item(0, "a", metadata={"post": first}),
        Item(1, "b", metadata={"post": second}),
        Item(2, "c", metadata={"post": str(second)}),
        Item(3, "d", metadata={"post": float(second)}),
    ]
    filtering = Filtering(opened(tmp_path, [items]))

    def found(**asked):
        condition = Filter.model_validate_json(json.dumps({"must": [{"key": "post", **asked}]}))
        return np.flatnonzero(filtering.allowed(condition)).tolist()

    assert found(match=second) == [1, 2]
    assert found(match=first) == [0]
    assert found(any=[first, 5]) == [0]
    assert found(gt=first) == [1, 2]
    assert found(lt=first) == [3], "the float is ...768"
    assert found(gte=second) == [1, 2]


def without_index(path):
    """The file as it was written before there was an index of the metadata."""
    file = MappedFile(path)
    names = ["ordinals", "record_offsets", "records", "id_hashes", "id_rows"]
    names += ["tag_names", "tag_offsets", "tag_ordinals"]
    write_arrays(path.with_suffix(".old"), {name: np.array(file[name]) for name in names})
    return ItemsFile(path.with_suffix(".old"))


@given(histories(), FILTERS)
def test_a_file_from_before_the_index_answers_alike(fresh_library, files, asked):
    new = opened(fresh_library().folder, files)
    old = [without_index(file.path) for file in new]
    given_filter = Filter.model_validate(asked)
    wanted = Filtering(new).allowed(given_filter)
    assert Filtering(old).allowed(given_filter).tolist() == wanted.tolist()


def test_a_value_is_found_among_many(tmp_path):
    items = [Item(n, f"id{n}", metadata={"n": n, "t": f"t{n % 7}"}) for n in range(3000)]
    [file] = opened(tmp_path, [items])
    assert file.metadata.equal("n", 2999).tolist() == [2999]
    assert file.metadata.equal("t", "t3").tolist() == list(range(3, 3000, 7))
    assert sorted(file.metadata.among_numbers("n", gt=10, lte=13)) == [11, 12, 13]
    assert len(file.metadata.among_texts("t", gte="t5")) == sum(n % 7 >= 5 for n in range(3000))


def test_metadata_nested_deeper_than_python_calls_is_indexed():
    value = 1
    for _ in range(3000):
        value = {"a": value}
    arrays = metadata_arrays([(0, {"a": value})])
    assert arrays["value_images"].tolist() == [0]


@pytest.mark.parametrize("wrong", [{}, {"tag": "a", "key": "b", "match": 1}, {"must": []}])
def test_a_condition_is_of_one_kind(wrong):
    with pytest.raises(ValueError, match="a condition is one of"):
        Condition.model_validate(wrong)
