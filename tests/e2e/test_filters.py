"""Filters and pages over the running services, while images are added."""

import io
import json
import random

import pytest
from PIL import Image

from shared.clients import indexer, query
from tests.e2e.conftest import Start


def _noise(seed: int) -> bytes:
    pixels = random.Random(seed).randbytes(3 * 8 * 8)
    out = io.BytesIO()
    Image.frombytes("RGB", (8, 8), pixels).resize((32, 32)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.slow
def test_filters_and_pages_hold_while_1000_images_are_added(start: Start) -> None:
    with start() as engine:
        ids: dict[int, str] = {}
        for number in range(40):
            files = [(f"{number}.png", _noise(number))]
            metadata = json.dumps({"number": number, "even": number % 2 == 0})
            tags = ["third"] if number % 3 == 0 else []
            call = indexer.add_images(files, tags=tags, metadata=metadata)
            ids[number] = engine.indexer.send(call).items[0].id

        wanted = {
            "must": [{"tag": "THIRD"}, {"key": "number", "gte": 10}, {"key": "even", "match": True}]
        }
        expected = {ids[n] for n in range(10, 40) if n % 6 == 0}
        for call in (
            query.search_image(_noise(12), filter=wanted),
            query.search_id(ids[12], filter=wanted),
            query.search_term("third", filter=wanted),
        ):
            answer = engine.ask(call)
            assert {hit.id for hit in answer.hits} == expected
            assert answer.complete
            assert answer.recall.expected == 1

        whole = engine.ask(query.search_image(_noise(0), limit=20))
        first = engine.ask(query.search_image(_noise(0), limit=10))
        for begin in range(1000, 2000, 100):
            files = [(f"{n}.png", _noise(n)) for n in range(begin, begin + 100)]
            items = engine.indexer.send(indexer.add_images(files)).items
            assert all(item.state == "added" for item in items)
        second = engine.ask(query.search_image(_noise(0), limit=10, cursor=first.next))
        assert [*first.hits, *second.hits] == whole.hits
        assert second.snapshot > first.snapshot
        assert engine.ask(query.get_stats()).images == 1040
