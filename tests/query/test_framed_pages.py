"""Pages of pictures and videos: all of them equal what comparing everything gives."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.query.answering.response import response_for
from services.query.answering.searches import VectorSearch
from services.query.answering.targets import Carriers
from services.query.search import cursor as cursors
from services.query.search.cursor import Pages
from services.query.search.key_frames import KeyFrames
from services.query.search.searcher import Searcher
from services.query.search.snapshot_reader import SnapshotReader
from services.query.search.stopwatch import Stopwatch
from shared.contracts.filters import Condition, Filter
from shared.contracts.query import Metric, SearchOptions
from shared.maths import distances
from shared.snapshots.frames import FrameVectors
from shared.snapshots.items import Item
from shared.snapshots.manifest import FramesManifest

DIM = 4
EVERYTHING = 1000


def name(ordinal):
    # In another order than ordinals, so that ties show which of both decides.
    return f"{ordinal * 7919 % 997:03d}-{ordinal}"


def ordinal_of(hit):
    return int(hit.id.split("-")[1])


def answer(reader, query, **asked):
    """Answer a search by a vector, or by the tag that all carry: query is None."""
    searcher, options = Searcher(*reader.current(), 0.95), SearchOptions(**asked)
    if query is None:
        pages = Pages(["term", "all"], options)
        target = Carriers("all", options, pages.after)
    else:
        search = VectorSearch(query.tolist(), options)
        pages = Pages(search.key, options)
        target = search.resolve(searcher, pages.after)
    result = target.rank(searcher, Stopwatch())
    return response_for(searcher, result, options, Stopwatch(), pages)


class Films:
    """A collection of pictures and videos whose frames come while it is served."""

    def __init__(self, library, rng, count):
        self.library = library
        # Some look the same, and some frames are other images.
        pool = rng.normal(size=(max(2, 2 * count // 3), DIM)).astype(np.float32)
        self.vectors = pool[rng.integers(0, len(pool), count)]
        of = np.sort(rng.choice(count, rng.integers(1, count + 1), replace=False))
        counts = rng.integers(1, 4, len(of))
        ordinals = np.repeat(of, counts)
        shown = pool[rng.integers(0, len(pool), len(ordinals))]
        far = rng.random(len(ordinals)) < 0.5
        shown[far] = rng.normal(size=(int(far.sum()), DIM))
        self.frames = FrameVectors(
            ordinals.astype(np.int64),
            np.arange(len(ordinals), dtype=np.float32),
            shown.astype(np.float32),
        )
        self.items = library.segments.items(
            [Item(i, name(i), ["all", f"third {i % 3}"]) for i in range(count)]
        )
        self.space = library.space(self.vectors, min(3, count // 2), sizes=(count // 2,))
        self.joint = library.space(self.vectors, name="joint", fingerprint="network-1")

    def publish(self, films):
        """Publish the frames of some videos."""
        some = self.frames.at(np.isin(self.frames.ordinals, films))
        file = [self.library.segments.frames(some)] if len(some) else []
        lineages = {"visual": "model-1", "joint": "network-1 model-1"}
        self.library.publish(
            items=[self.items],
            images=len(self.vectors),
            visual=self.space,
            joint=self.joint,
            matching_fingerprint="model-1",
            tag_vectors=[self.library.segments.tag_vectors({"all": np.ones(DIM, np.float32)})],
            frames=[
                FramesManifest(space=space, lineage=lineage, revision=1, files=file)
                for space, lineage in lineages.items()
                if file
            ],
        )

    def ranked(self, query, metric, films):
        """Return the ordinals, nearest first, and the score of each, by comparing everything."""
        away = distances.exact(self.vectors, query, metric)
        some = self.frames.at(np.isin(self.frames.ordinals, films))
        np.minimum.at(away, some.ordinals, distances.exact(some.vectors, query, metric))
        order = sorted(range(len(away)), key=lambda one: (away[one], name(one)))
        return order, distances.scores(away, metric)


@settings(max_examples=12)
@given(
    st.integers(0, 2**32),
    st.integers(2, 40),
    st.sampled_from(["vector", "tag"]),
    st.sampled_from(list(Metric)),
    st.sampled_from(["cursor", "offset"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 3, 7, 16]),
    st.sampled_from([2, EVERYTHING]),
)
def test_all_pages_are_what_comparing_everything_gives(
    fresh_library, seed, count, kind, metric, way, filters, cuts, limit, remembered
):
    rng = np.random.default_rng(seed)
    collection = Films(fresh_library(), rng, count)
    films = np.unique(collection.frames.ordinals)
    collection.publish(films)
    reader = SnapshotReader(collection.library.folder)
    query = None if kind == "tag" else rng.normal(size=DIM).astype(np.float32)
    asked = {"exact": True, "metric": metric, "rerank": "none", "limit": limit}
    point = np.ones(DIM, np.float32) if query is None else query
    wanted, scores = collection.ranked(point, metric, films)
    if filters:
        either = [Condition(tag="third 0"), Condition(tag="third 1")]
        asked["filter"] = Filter(should=either)
        wanted = [one for one in wanted if one % 3 < 2]
    if cuts and wanted:
        # Between two scores, as both sides round.
        asked["score_threshold"] = float(scores[wanted[len(wanted) // 2]]) - 1e-6
        wanted = [one for one in wanted if scores[one] >= asked["score_threshold"]]
    found = []
    with mock.patch.object(cursors, "_REMEMBERED", remembered):
        while True:
            page = answer(reader, query, **asked)
            found += page.hits
            assert page.complete
            if page.next is None:
                break
            if way == "cursor":
                asked["cursor"] = page.next
            else:
                asked["offset"] = len(found)
    assert [ordinal_of(hit) for hit in found] == wanted
    assert [hit.score for hit in found] == pytest.approx(scores[wanted].tolist(), abs=1e-6)


@settings(max_examples=12)
@given(
    st.integers(0, 2**32),
    st.integers(4, 40),
    st.sampled_from(["vector", "tag"]),
    st.sampled_from([1, 2, 5]),
    st.sampled_from([2, 8, EVERYTHING]),
    st.lists(st.booleans(), min_size=1, max_size=4),
)
def test_frames_that_come_between_pages_make_none_skip_or_repeat_a_video(
    fresh_library, seed, count, kind, limit, remembered, steps
):
    rng = np.random.default_rng(seed)
    collection = Films(fresh_library(), rng, count)
    films = np.unique(collection.frames.ordinals)
    known = films[rng.random(len(films)) < 0.3]
    collection.publish(known)
    reader = SnapshotReader(collection.library.folder)
    query = None if kind == "tag" else rng.normal(size=DIM).astype(np.float32)
    asked = {"exact": True, "rerank": "none", "limit": limit}
    found, steps = [], [*steps]
    with mock.patch.object(cursors, "_REMEMBERED", remembered):
        while True:
            page = answer(reader, query, **asked)
            found += [ordinal_of(hit) for hit in page.hits]
            if page.next is None:
                break
            asked["cursor"] = page.next
            if steps and steps.pop():
                known = np.union1d(known, films[rng.random(len(films)) < 0.5])
                collection.publish(known)
    assert sorted(found) == list(range(count))


@pytest.fixture
def far_films(fresh_library):
    """Pictures around one axis, and videos whose posters are around another, but not their frames.

    Gives a reader, the axis of the pictures, and the videos, the nearest first.
    """
    rng = np.random.default_rng(0)
    near, far = np.eye(DIM, dtype=np.float32)[:2]
    count, films = 40, np.arange(20, 40)
    library = fresh_library()
    vectors = np.where(np.arange(count)[:, None] < 20, near, far)
    vectors = (vectors + rng.normal(scale=0.01, size=vectors.shape)).astype(np.float32)
    shown = (near + rng.normal(scale=0.05, size=(len(films), DIM))).astype(np.float32)
    frames = FrameVectors(films, np.zeros(len(films), np.float32), shown)
    items = [Item(i, name(i), ["film" if i >= 20 else "picture"]) for i in range(count)]
    library.publish(
        items=[library.segments.items(items)],
        images=count,
        visual=library.space(vectors, 2),
        frames=[
            FramesManifest(
                space="visual",
                lineage="model-1",
                revision=1,
                files=[library.segments.frames(frames)],
            )
        ],
    )
    away = distances.exact(shown, near, Metric.COSINE)
    return SnapshotReader(library.folder), near, films[np.argsort(away)].tolist()


@pytest.mark.parametrize("rerank", ["none", "neighbours"])
@pytest.mark.parametrize("limit", [3, 20, 30])
def test_clusters_that_a_filter_empties_hide_no_frame(far_films, limit, rerank):
    """Of pictures, `nprobe` finds those of the probed clusters; frames are in none."""
    reader, query, films = far_films
    asked = {"limit": limit, "rerank": rerank, "filter": Filter(must=[Condition(tag="film")])}
    every = [ordinal_of(hit) for hit in answer(reader, query, **asked).hits]
    found = answer(reader, query, nprobe=1, **asked)
    assert [ordinal_of(hit) for hit in found.hits] == every
    if rerank == "none":
        assert every == films[:limit]
    assert all(hit.time_s is not None for hit in found.hits)


def test_frames_beyond_what_the_probed_clusters_have_follow_it_page_by_page(far_films):
    reader, query, _ = far_films
    asked = {"nprobe": 1, "rerank": "none", "limit": 7}
    every = answer(reader, query, exact=True, rerank="none", limit=40)
    found = []
    while True:
        page = answer(reader, query, **asked)
        found += page.hits
        if page.next is None:
            break
        asked["cursor"] = page.next
    assert [hit.id for hit in found] == [hit.id for hit in every.hits]
    pictures = Filter(must=[Condition(tag="picture")])
    only = answer(reader, query, nprobe=1, rerank="none", limit=40, filter=pictures)
    assert sorted(map(ordinal_of, only.hits)) == list(range(20))


@pytest.mark.parametrize("metric", Metric)
def test_the_nearest_frame_is_that_of_exact_distances(metric):
    """Of long vectors that lie close together, rough distances tell nothing."""
    rng = np.random.default_rng(0)
    ordinals = np.repeat(np.arange(50), 8)
    far = 100 * rng.normal(size=(1, DIM))
    vectors = (far + 1e-2 * rng.normal(size=(400, DIM))).astype(np.float32)
    frames = FrameVectors(ordinals, np.arange(400, dtype=np.float32), vectors)
    query = far[0].astype(np.float32)
    found = KeyFrames(frames).nearest(query, metric)
    exact = distances.exact(vectors, query, metric).reshape(50, 8)
    rows, away = found.exact(np.arange(50))
    assert away.tolist() == exact.min(axis=1).tolist()
    assert rows.tolist() == (exact.argmin(axis=1) + 8 * np.arange(50)).tolist()
