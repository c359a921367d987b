"""Bounds of what is said of an image, against what answers and databases take."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import annotations
from shared.contracts.answer import Hit
from shared.contracts.indexer import ImagePatch
from shared.core.errors import InvalidInput


def nested(levels, inner=1):
    for _ in range(levels):
        inner = {"a": inner}
    return inner


def listed(levels):
    inner = []
    for _ in range(levels - 1):
        inner = [inner]
    return inner


REFUSED = [
    (nested(9), "nested deeper than 8 levels"),
    (nested(900), "nested deeper than 8 levels"),
    ({"a": listed(8)}, "nested deeper than 8 levels"),
    ({str(n): 1 for n in range(257)}, "more than 256 keys"),
    ({"a": [{"b": n} for n in range(256)]}, "more than 256 keys"),
    ({"a": "x" * 70_000}, "65,536"),
    ({"a": ["é" * 100] * 400}, "65,536"),
    ({"k" * 201: 1}, "more than 200 characters"),
    ({"k" * 150: {"j" * 60: 1}}, "more than 200 characters"),
    ({"a": math.nan}, "`a`: a number is finite"),
    ({"a": {"b": [1, -math.inf]}}, "`a.b`: a number is finite"),
    ({"a": 2**64}, "fits 64 bits"),
    ({"a": -(2**63) - 1}, "fits 64 bits"),
    ({"a": 10**5000}, "fits 64 bits"),
    ({"a": "x\0y"}, "NUL"),
    ({"a\0": 1}, "NUL"),
    ({"a": "\ud800"}, "lone surrogate"),
    ({"\ud800": {"b": 1}}, "lone surrogate"),
]
TAKEN = [
    {},
    nested(8),
    {"a": listed(7)},
    {str(n): 1 for n in range(256)},
    {"a": "x" * 65_000, "": None},
    {"k" * 200: True},
    {"a": [2**64 - 1, -(2**63), 0, -0.0, 1e308, 5e-324, False]},
    {"a": "line\nline\ttab \x1b é 🐶 \uffff"},
]


@pytest.mark.parametrize(("metadata", "why"), REFUSED)
def test_metadata_that_can_not_be_answered_is_refused_by_field_and_key(metadata, why):
    with pytest.raises(InvalidInput) as refusal:
        annotations.check(metadata=metadata)
    assert refusal.value.detail.startswith("`metadata`: ")
    assert why in refusal.value.detail
    assert [error["field"] for error in refusal.value.extra["errors"]] == ["metadata"]
    refusal.value.detail.encode()
    with pytest.raises(ValueError, match="metadata"):
        ImagePatch(metadata=metadata)


@pytest.mark.parametrize("metadata", TAKEN)
def test_metadata_up_to_the_bounds_is_taken_as_it_is(metadata):
    annotations.check(metadata=metadata)
    assert ImagePatch(metadata=metadata).metadata == metadata
    assert annotations.presentable(metadata) == (metadata, [])


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"tags": [str(n) for n in range(1001)]}, "`tags`: an image has at most 1,000 tags"),
        ({"tags": ["x" * 201]}, "a tag has at most 200 characters"),
        ({"tags": ["a\0"]}, "`a\\0`: it holds a NUL"),
        ({"tags": ["\ud800"]}, "lone surrogate"),
        ({"tags": ["\ufdfa" * 200]}, "stand for too many others"),
        ({"image_id": ""}, "`id`: an id is not empty"),
        ({"image_id": "a\n"}, "no control characters"),
        ({"image_id": "x" * 201}, "at most 200"),
        ({"uri": "x" * 4097}, "`uri`: a uri has at most 4,096"),
        ({"uri": "a\0"}, "NUL"),
    ],
)
def test_tags_ids_and_uris_have_bounds_too(said, why):
    with pytest.raises(InvalidInput) as refusal:
        annotations.check(**said)
    assert why in refusal.value.detail


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=()), max_size=3), inner, max_size=4
        )
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(st.characters(exclude_categories=()), max_size=3), ANYTHING)


def answered(metadata, notes=None):
    hit = Hit(
        id="a",
        score=1,
        relevance=1,
        distance=0,
        tags=[],
        uri="",
        uris=[],
        metadata=metadata,
        notes=notes,
    )
    return json.loads(hit.model_dump_json())["metadata"]


@given(OBJECTS, st.integers(0, 400))
def test_what_is_taken_is_answered_and_what_is_there_never_fails(metadata, depth):
    metadata = {**metadata, "deep": nested(depth)}
    if annotations.metadata_fault(metadata) is None:
        assert repr(answered(metadata)) == repr(metadata)
    kept, notes = annotations.presentable(metadata)
    assert repr(answered(kept, notes or None)) == repr(kept)
    assert len(kept) + len(notes) == len(metadata)
    annotations.check(metadata=annotations.mended(metadata))


def test_what_is_left_out_is_named_and_the_rest_stays():
    metadata = {"album": "trip", "deep": nested(300), "big": "x" * 2**21, "no": math.nan}
    kept, notes = annotations.presentable(metadata)
    assert kept == {"album": "trip"}
    assert [note.split("`")[1] for note in notes] == ["deep", "big", "no"]


def test_mended_metadata_keeps_as_text_what_is_nested_too_deep():
    found = annotations.mended({"album": "trip", "deep": nested(20), "big": "x" * 2**21})
    assert found["album"] == "trip"
    assert json.loads(found["deep"]) == nested(20)
    assert "big" not in found
