"""Hits and answers are made without a check, so they must have all that a checked one has."""

import asyncio

from shared.contracts.answer import Hit, SearchResponse
from shared.contracts.query import SearchRequest


def test_hits_have_all_fields_in_their_order_and_equal_checked_ones(filled):
    asking = filled.app.state.asking
    asked = SearchRequest(id="img-003", limit=4, explain=True, with_vector=True)
    hits = asyncio.run(asking.request(asked)).hits
    assert len(hits) == 4
    for hit in hits:
        assert list(vars(hit)) == list(Hit.model_fields)
        assert Hit.model_validate(hit.model_dump()) == hit
        assert Hit.model_validate_json(hit.model_dump_json()) == hit
        changed = hit.model_copy(update={"tags": ["other"]})
        assert (changed.tags, changed.id) == (["other"], hit.id)


def test_answers_have_all_fields_in_their_order_and_equal_checked_ones(filled):
    asking = filled.app.state.asking
    for options in ({}, {"facets": 3, "limit": 2}, {"limit": 100, "score_threshold": 0.5}):
        answer = asyncio.run(asking.request(SearchRequest(id="img-003", **options)))
        assert list(vars(answer)) == list(SearchResponse.model_fields)
        assert SearchResponse.model_validate(answer.model_dump()) == answer
        assert SearchResponse.model_validate_json(answer.model_dump_json()) == answer
