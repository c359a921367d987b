"""Images whose text answers a term stand before those near to its meaning."""

import numpy as np
import pytest

from services.indexer.measuring.counting import learnt_counts
from services.query.search.collection import Collection
from shared.contracts.text import Word
from shared.engines.ivf.index import InvertedIndex
from shared.engines.ivf.reader import Postings
from shared.snapshots.items import Item
from shared.snapshots.manifest import TextsManifest
from shared.snapshots.texts import ReadText, packed
from tests.query.conftest import Models

KINDS, DIM = 24, 32
RNG = np.random.default_rng(7)
SIZES = RNG.integers(4, 16, KINDS)
LABELS = np.repeat(np.arange(KINDS), SIZES)
CENTRES = RNG.normal(size=(KINDS, DIM))
VECTORS = (CENTRES[LABELS] + RNG.normal(size=(len(LABELS), DIM)) * 0.7).astype(np.float32)
SHOWN = np.flatnonzero(LABELS == 9)[:4].tolist()
BOX = [[0.1, 0.1], [0.2, 0.1], [0.2, 0.2], [0.1, 0.2]]


def _text(ordinal: int) -> ReadText:
    word = Word(text="sign", confidence=0.9 - 0.05 * (ordinal % 4), line=0, box=BOX)
    return ReadText(ordinal, [packed(word)])


@pytest.fixture(scope="module")
def serve_texts(fresh_library, serve):
    """Serves pictures of kinds, some of which show the word `sign`; it means the third kind."""

    def build(shown):
        library = fresh_library()
        items = [Item(i, f"img-{i:03d}", [], [f"{i}.jpg"], {}) for i in range(len(LABELS))]
        # The pictures with the word look the same.
        visual = VECTORS.copy()
        visual[SHOWN] = visual[SHOWN[0]]
        joint = library.space(VECTORS, 4, name="joint", fingerprint="network-1")
        index = InvertedIndex([Postings(library.segments.path(joint.postings[0]))], joint.metric)
        tags = {i: [f"kind {label}"] for i, label in enumerate(LABELS.tolist())}
        counts = learnt_counts(index, tags, joint.recall, 0, False, lambda done, total: None)
        meaning = CENTRES[3].astype(np.float32)
        texts = TextsManifest(
            revision=1, files=[library.segments.texts([_text(one) for one in shown])]
        )
        library.publish(
            items,
            visual=library.space(visual, 4),
            joint=joint.model_copy(update=counts),
            matching_fingerprint="model-1",
            tag_vectors=[library.segments.tag_vectors({"sign": meaning})],
            texts=texts,
        )
        return serve(library, Models(terms={"sign": meaning}))

    return build


@pytest.fixture(scope="module")
def service(serve_texts):
    return serve_texts(SHOWN)


def test_what_shows_a_term_is_expected_beside_what_means_it(service, serve_texts):
    alone = serve_texts([]).term("sign", limit=100)
    assert (alone["mode"], alone["expected"] is None) == ("semantic", False)
    answer = service.term("sign", limit=100)
    expected = answer["expected"]
    assert answer["mode"] == "mixed"
    assert expected["low"] >= len(SHOWN)
    assert abs(expected["matches"] - alone["expected"]["matches"] - len(SHOWN)) <= 1
    first = [hit["id"] for hit in answer["hits"][: expected["matches"]]]
    by_name = service.term("sign", sort="name", limit=100)["hits"]
    assert {hit["id"] for hit in by_name} == set(first)


def test_a_page_full_of_text_tells_how_many_match(service):
    whole = service.term("sign", limit=100)["expected"]
    assert service.term("sign", limit=2)["expected"] == whole
    by_text = service.term('"sign"', limit=2)
    count = len(SHOWN)
    assert by_text["mode"] == "text"
    assert by_text["expected"] == {"matches": count, "low": count, "high": count}


@pytest.mark.parametrize("limit", [2, 6])
def test_pages_of_folded_copies_show_nothing_twice(service, limit):
    pages, cursor, texts = [], None, []
    for _ in range(6):
        given = {} if cursor is None else {"cursor": cursor}
        page = service.term("sign", limit=limit, group_duplicates=True, **given)
        pages += [hit["id"] for hit in page["hits"]]
        texts += [bool(hit["text"]) for hit in page["hits"]]
        cursor = page["next"]
    assert len(set(pages)) == len(pages)
    assert texts == sorted(texts, reverse=True)


def test_no_record_is_read_to_find_a_text(service, monkeypatch):
    read = []
    item = Collection.item
    monkeypatch.setattr(Collection, "item", lambda self, one: read.append(one) or item(self, one))
    service.term('"sign"', limit=1)
    assert len(set(read)) <= 2
