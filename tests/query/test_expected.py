"""Searches tell how many pictures match, whether any does, and what a list promises."""

import numpy as np
import pytest

from services.indexer.measuring.counting import learnt_counts
from services.indexer.measuring.tag_trust import calibrate_carriers
from services.query.search.space import Space
from shared.engines import evidence
from shared.engines.ivf.index import InvertedIndex
from shared.engines.ivf.reader import Postings
from shared.snapshots.frames import FrameVectors
from shared.snapshots.items import Item
from shared.snapshots.manifest import FramesManifest

KINDS, DIM = 24, 32
RNG = np.random.default_rng(7)
SIZES = RNG.integers(4, 16, KINDS)
LABELS = np.repeat(np.arange(KINDS), SIZES)
CENTRES = RNG.normal(size=(KINDS + 1, DIM))


def _near(kind: int, count: int) -> np.ndarray:
    rows = CENTRES[kind] + RNG.normal(size=(count, DIM)) * 0.7
    return rows.astype(np.float32)


@pytest.fixture(scope="module")
def service(fresh_library, serve):
    """Pictures of kinds that lie apart, each tagged with its kind; the last kind has none."""
    return _served(fresh_library(), serve)


def _served(library, serve):
    vectors = np.concatenate([_near(kind, int(size)) for kind, size in enumerate(SIZES)])
    tags = {i: [f"kind {label}"] for i, label in enumerate(LABELS.tolist())}
    items = [
        Item(i, f"img-{i:03d}", tags[i], [f"{i}.jpg"], {"even": i % 2 == 0})
        for i in range(len(LABELS))
    ]
    space = library.space(vectors, 4)
    index = InvertedIndex([Postings(library.segments.path(space.postings[0]))], space.metric)
    counts = learnt_counts(index, tags, space.recall, 0, True, lambda done, total: None)
    calibration = calibrate_carriers(index, tags, 0)
    update = {"calibration": calibration, **counts}
    library.publish(items, visual=space.model_copy(update=update))
    found = serve(library)
    found.app.state.vectors = vectors
    return found


def _first(kind: int) -> int:
    return int(np.flatnonzero(kind == LABELS)[0])


def test_the_count_is_near_the_truth_and_inside_its_interval(service):
    inside, off = [], []
    for kind, size in enumerate(SIZES.tolist()):
        expected = service.search(id=f"img-{_first(kind):03d}")["expected"]
        assert expected["low"] <= expected["matches"] <= expected["high"]
        inside.append(expected["low"] <= size <= expected["high"])
        off.append(abs(expected["matches"] - size) / size)
    assert np.mean(inside) >= 0.75
    assert np.median(off) <= 0.25


def test_the_picture_itself_counts_only_where_it_is_a_hit(service):
    itself = service.search(id="img-000")["expected"]
    others = service.get("/v1/images/img-000/similar")["expected"]
    assert others == {name: value - 1 for name, value in itself.items()}


def test_a_page_and_its_size_do_not_change_the_count(service):
    whole = service.search(id="img-000", limit=100)
    page = service.search(id="img-000", limit=1, offset=3)
    assert page["expected"] == whole["expected"]
    assert page["present"] == whole["present"]


def test_a_filter_counts_what_passes_it(service):
    every = service.search(id="img-000")["expected"]["matches"]
    some = {"must": [{"key": "even", "match": True}]}
    even = service.search(id="img-000", filter=some)["expected"]["matches"]
    none = {"must": [{"tag": "kind 3"}]}
    assert 0 < even < every
    assert service.search(id="img-000", filter=none)["expected"]["matches"] == 0


def test_whether_anything_matches_is_not_told_of_the_whole_where_a_filter_leaves_out(service):
    vector = service.app.state.vectors[5].tolist()
    kind = int(LABELS[5])
    elsewhere = {"must_not": [{"tag": f"kind {kind}"}]}
    assert service.search(vector=vector)["present"] > 0.5
    assert service.search(vector=vector, filter=elsewhere)["present"] is None


def test_an_open_count_under_a_filter_ends_with_what_passes_it(service, monkeypatch):
    monkeypatch.setattr(evidence, "DEPTH", 4)
    even = sum(i % 2 == 0 for i in range(len(LABELS)))
    some = {"must": [{"key": "even", "match": True}]}
    image = f"img-{_first(int(np.argmax(SIZES))):03d}"
    assert service.search(id=image)["expected"]["high"] == len(LABELS)
    similar = service.get(f"/v1/images/{image}/similar")
    assert similar["expected"]["high"] == len(LABELS) - 1
    assert service.search(id=image, filter=some)["expected"]["high"] == even


def test_a_picture_of_no_kind_here_is_told_from_one_of_a_kind(service):
    known = [service.search(vector=_near(k, 1)[0].tolist()) for k in range(KINDS)]
    strange = [service.search(vector=_near(KINDS, 1)[0].tolist()) for _ in range(8)]
    assert min(a["present"] for a in known) > max(a["present"] for a in strange)
    assert np.mean([a["expected"]["low"] >= 1 for a in known]) >= 0.85
    assert all(a["expected"]["low"] == 0 for a in strange)


def test_the_shortest_list_with_a_promise(service):
    vector = service.app.state.vectors[5].tolist()
    answer = service.search(vector=vector, guarantee=0.9, limit=50)
    assert answer["guarantee"] == {"asked": 0.9, "met": True}
    assert 1 <= len(answer["hits"]) <= 5
    # It refuses a cursor, so it gives none.
    assert answer["next"] is None
    certain = service.search(vector=vector, guarantee=0.9999)
    assert certain["next"] is None
    assert certain["guarantee"] == {"asked": 0.9999, "met": False}
    assert len(certain["hits"]) == 10


@pytest.mark.parametrize("other", [{"offset": 1}, {"filter": {}}, {"sort": "-taken"}])
def test_a_promise_is_of_the_first_hits_of_all(service, other):
    refused = service.send("POST", "/v1/search", json={"id": "img-000", "guarantee": 0.9} | other)
    assert refused.status_code == 422
    assert "guarantee" in refused.json()["detail"]


def test_carriers_of_a_tag_are_counted_by_their_probabilities(service):
    answer = service.term("kind 5", guarantee=0.8)
    expected = answer["expected"]
    assert expected["low"] <= expected["matches"] <= expected["high"] <= SIZES[5]
    assert expected["matches"] >= SIZES[5] - 2
    assert answer["guarantee"]["met"]


def test_carriers_are_compared_once_to_count_them(service, monkeypatch):
    calls = []
    chances = Space.tag_chances

    def counted(self, carriers, ordinals):
        calls.append(len(ordinals))
        return chances(self, carriers, ordinals)

    monkeypatch.setattr(Space, "tag_chances", counted)
    service.term("kind 5", limit=1)
    # To count them, and for the page.
    assert calls == [SIZES[5], 1]


def test_what_is_sorted_are_the_expected_matches(service):
    expected = service.search(id="img-000")["expected"]["matches"]
    hits = service.search(id="img-000", sort="name", limit=100)["hits"]
    assert len(hits) == expected
    best = service.search(id="img-000", limit=expected)["hits"]
    assert {hit["id"] for hit in hits} == {hit["id"] for hit in best}


def test_a_collection_that_taught_nothing_gives_no_counts(filled):
    answer = filled.search(id="img-001", guarantee=0.5)
    assert answer["expected"] is None
    assert answer["present"] is None
    assert answer["guarantee"] == {"asked": 0.5, "met": False}
    assert len(answer["hits"]) == 10


def test_a_list_with_a_video_that_stands_at_a_frame_promises_nothing(fresh_library, serve):
    """Promises are learnt of pictures: the nearest of several frames is nearer by chance."""
    library = fresh_library()
    service = _served(library, serve)
    asked = {"vector": service.app.state.vectors[5].tolist(), "guarantee": 0.9, "limit": 7}
    assert service.search(**asked)["guarantee"]["met"]
    frames = FrameVectors(np.array([0]), np.zeros(1, np.float32), service.app.state.vectors[5:6])
    known = FramesManifest(
        space="visual", lineage="model-1", revision=1, files=[library.segments.frames(frames)]
    )
    now = library.snapshots.current()
    library.snapshots.publish(now.model_copy(update={"number": now.number + 1, "frames": [known]}))
    answer = service.search(**asked)
    assert answer["hits"][0]["time_s"] == 0
    assert answer["guarantee"] == {"asked": 0.9, "met": False}
    assert (len(answer["hits"]), answer["next"]) == (7, None)
