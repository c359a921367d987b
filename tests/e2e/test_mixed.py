"""A picture and a word together, over the drawn collection, whose images carry several tags."""

from collections import Counter

import pytest

from shared.clients import query
from shared.contracts.answer import Hit, Mode
from tests.e2e.engine import Engine

_LEAST = 4
_FIRST = 5


@pytest.mark.slow
def test_a_picture_and_a_word_find_what_is_both_better_than_the_picture_alone(
    engine: Engine,
) -> None:
    tags = {}
    for tag in engine.ask(query.list_tags(limit=1000)).tags:
        for hit in engine.ask(query.search_term(tag.tag, limit=1000)).hits:
            tags[hit.id] = set(hit.tags)
    both = Counter((a, b) for some in tags.values() for a in some for b in some if a != b)

    def share(hits: list[Hit], asked: str, wanted: set[str]) -> float:
        others = [hit for hit in hits if hit.id != asked][:_FIRST]
        return sum(wanted <= set(hit.tags) for hit in others) / _FIRST

    alone, together = [], []
    for one, other in sorted(pair for pair, count in both.items() if count >= _LEAST):
        # A picture of the one, which is not the other.
        asked = min(
            (i for i, some in tags.items() if one in some and other not in some), default=""
        )
        if not asked:
            continue
        plain = engine.ask(query.search_id(asked, limit=_FIRST + 1))
        parts = [{"id": asked}, {"term": other}]
        mixed = engine.ask(query.search(parts=parts, limit=_FIRST + 1))
        assert mixed.mode is Mode.MIXED
        alone.append(share(plain.hits, asked, {one, other}))
        together.append(share(mixed.hits, asked, {one, other}))
    found = sum(alone) / len(alone), sum(together) / len(together)
    print(f"{len(alone)} pairs of tags, share of both: {found[0]:.3f} alone, {found[1]:.3f} with")  # noqa: T201
    assert len(alone) >= 10
    assert found[1] > 1.5 * found[0]
