"""What every engine must do alike: the answers, compared with brute force."""

import threading

import numpy as np
import pytest

from services.indexer.segments.engine import Kept
from services.query.search.stopwatch import Stopwatch
from shared.contracts.filters import Filter
from shared.contracts.query import Metric, SearchOptions
from shared.maths import distances
from shared.snapshots.items import Item
from tests.engine.world import World, items
from tests.floats import alike

METRICS = list(Metric)


def collection(rows: int, dim: int = 24, seed: int = 0) -> np.ndarray:
    """Vectors around some centres, of many lengths, so that L2 and cosine order differently."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, dim)) * 2
    vectors = centres[rng.integers(0, 12, rows)] + rng.normal(size=(rows, dim))
    return (vectors * rng.uniform(0.5, 2, (rows, 1))).astype(np.float32)


def truth(vectors, query, metric, known, k=10, allowed=None):
    """The exact answer: ids and distances, ties by id."""
    away = distances.exact(vectors, query, metric)
    numbers = range(len(vectors)) if allowed is None else allowed
    best = sorted((float(away[n]), known[n].id) for n in numbers)[:k]
    return [i for _, i in best], [d for d, _ in best]


def told(found):
    return [hit.id for hit in found.hits], [hit.distance for hit in found.hits]


@pytest.mark.parametrize("asked", METRICS)
@pytest.mark.parametrize("built", METRICS)
def test_an_exact_search_gives_the_ids_and_distances_of_brute_force(world: World, built, asked):
    vectors, known = collection(600), items(600)
    world.publish(known, world.space(vectors, 20, built))
    for query in collection(5, seed=1):
        wanted = truth(vectors, query, asked, known)
        assert told(world.search(query, metric=asked, exact=True)) == wanted
        assert told(world.search(query, metric=asked, nprobe=20)) == wanted


def test_ties_go_by_id_and_all_of_them_are_seen(world: World):
    vectors = np.repeat(collection(8), 30, axis=0)
    known = items(len(vectors))
    world.publish(known, world.space(vectors, 4))
    for metric in METRICS:
        wanted = truth(vectors, vectors[0], metric, known, k=7)
        assert told(world.search(vectors[0], metric=metric, exact=True, limit=7)) == wanted


def test_a_page_goes_on_where_the_one_before_ended(world: World):
    vectors, known = collection(300), items(300)
    world.publish(known, world.space(vectors, 10))
    query = collection(1, seed=2)[0]
    whole = told(world.search(query, exact=True, limit=40))
    pages = [world.search(query, exact=True, limit=10, offset=start) for start in range(0, 40, 10)]
    assert [i for page in pages for i in told(page)[0]] == whole[0]


@pytest.mark.slow
def test_a_recall_target_is_met_within_a_hundredth(world: World):
    # What is asked is like what the curve was measured on: the collection's own images.
    vectors = collection(1500)
    known = items(len(vectors))
    world.publish(known, world.space(vectors, 16, is_measured=True))
    queries = vectors[np.random.default_rng(5).choice(len(vectors), 200, replace=False)]
    for target in (0.8, 0.95):
        recalls, expected = [], []
        for query in queries:
            found = world.search(query, recall_target=target, limit=10)
            wanted, _ = truth(vectors, query, Metric.COSINE, known)
            recalls.append(len(set(wanted) & set(told(found)[0])) / 10)
            expected.append(found.recall.expected)
        assert np.mean(recalls) >= target - 0.01
        assert np.mean(recalls) == pytest.approx(np.mean(expected), abs=0.05)
    assert found.recall.nprobe < 16


# Of a hundred and more of these, a float makes one.
POST = 1234567890123456000


def tagged(count: int) -> list[Item]:
    return [
        Item(
            n,
            f"id-{n:05d}",
            ["Dog"] if n % 2 else ["cat"],
            [],
            {"year": 1990 + n % 30, "post": POST + n},
        )
        for n in range(count)
    ]


def is_dog(item: Item) -> bool:
    return "Dog" in item.tags


FILTERS = [
    ({"must": [{"tag": "dog"}]}, is_dog),
    (
        {"must": [{"tag": "dog"}, {"key": "year", "gte": 2018}]},
        lambda item: is_dog(item) and item.metadata["year"] >= 2018,
    ),
    (
        {"must_not": [{"tag": "cat"}, {"key": "year", "any": [1991, 1995]}]},
        lambda item: is_dog(item) and item.metadata["year"] not in (1991, 1995),
    ),
    (
        {"should": [{"tag": "cat"}, {"key": "year", "match": 1991}]},
        lambda item: not is_dog(item) or item.metadata["year"] == 1991,
    ),
    ({"must_not": [{"key": "year", "lt": 2000}]}, lambda item: item.metadata["year"] >= 2000),
    (
        {"must": [{"must_not": [{"tag": "dog"}, {"key": "year", "gte": 2010}]}]},
        lambda item: not is_dog(item) and item.metadata["year"] < 2010,
    ),
    ({"must": [{"key": "author", "exists": False}, {"tag": "cat"}]}, lambda i: not is_dog(i)),
    ({"must": [{"tag": "nobody"}]}, lambda _: False),
    ({"must": [{"key": "post", "match": POST + 7}]}, lambda i: i.ordinal == 7),
    (
        {"must": [{"tag": "dog"}], "must_not": [{"key": "post", "match": POST + 7}]},
        lambda i: is_dog(i) and i.ordinal != 7,
    ),
    ({"must": [{"key": "post", "gt": POST + 2590}]}, lambda i: i.ordinal > 2590),
    ({"must": [{"key": "year", "exists": True}]}, lambda _: True),
]


def test_filters_keep_what_they_say(world: World):
    vectors, known = collection(2600), tagged(2600)
    world.publish(known, world.space(vectors, 20, known=known))
    query = collection(1, seed=3)[0]
    for asked, keeps in FILTERS:
        allowed = [item.ordinal for item in known if keeps(item)]
        wanted = truth(vectors, query, Metric.COSINE, known, allowed=allowed)
        found = world.search(query, exact=True, filter=Filter.model_validate(asked))
        assert told(found) == wanted


def test_labels_are_filtered_by_though_no_engine_knows_them(world: World):
    vectors, known = collection(2600), tagged(2600)
    chances = np.random.default_rng(5).dirichlet([0.3, 0.3, 0.3], 2600).astype(np.float32)
    labels = world.labels(["beagle", "tench", "crane"], chances)
    world.publish(known, world.space(vectors, 20, known=known), labels=labels)
    query = collection(1, seed=3)[0]
    sure = chances.astype(np.float16)[:, 0] >= np.float16(0.9)
    beagle = {"label": "beagle", "least": 0.9}
    for asked, keeps in (
        ({"must": [beagle]}, sure),
        ({"must_not": [beagle]}, ~sure),
        ({"must": [beagle, {"tag": "dog"}]}, sure & [is_dog(item) for item in known]),
    ):
        allowed = np.flatnonzero(keeps).tolist()
        wanted = truth(vectors, query, Metric.COSINE, known, allowed=allowed)
        found = world.search(query, exact=True, filter=Filter.model_validate(asked))
        assert told(found) == wanted


def test_new_tags_are_filtered_by_once_they_are_published(world: World):
    vectors, known = collection(2600), tagged(2600)
    space = world.space(vectors, 5, known=known)
    world.publish(known, space)
    retagged = [Item(n, known[n].id, ["dog"], [], {"year": 7}) for n in range(0, 2600, 4)]
    world.spaces.of(space).retag(space, retagged)
    changed = {item.ordinal: item for item in retagged}
    latest = [changed.get(item.ordinal, item) for item in known]
    world.publish(latest, space)
    query = collection(1, seed=3)[0]
    for asked in ({"must": [{"tag": "DOG"}]}, {"must_not": [{"key": "year", "match": 7}]}):
        keeps = [
            item.ordinal
            for item in latest
            if ("must" in asked and item.tags[0].lower() == "dog")
            or ("must_not" in asked and item.metadata["year"] != 7)
        ]
        wanted = truth(vectors, query, Metric.COSINE, latest, allowed=keeps)
        found = world.search(query, exact=True, filter=Filter.model_validate(asked))
        assert told(found) == wanted


@pytest.mark.slow
def test_a_filtered_search_by_target_misses_no_more_than_others(world: World):
    vectors, known = collection(5000), tagged(5000)
    world.publish(known, world.space(vectors, 16, is_measured=True, known=known))
    asked, keeps = FILTERS[0]
    allowed = [item.ordinal for item in known if keeps(item)]
    recalls = []
    for query in vectors[:60]:
        wanted, _ = truth(vectors, query, Metric.COSINE, known, allowed=allowed)
        found = world.search(query, recall_target=0.9, filter=Filter.model_validate(asked))
        recalls.append(len(set(wanted) & set(told(found)[0])) / 10)
    assert np.mean(recalls) >= 0.89


def test_what_is_deleted_is_out_of_every_answer_and_others_come_up(world: World):
    vectors, known = collection(500), items(500)
    world.publish(known, world.space(vectors, 10))
    query = vectors[17]
    first = world.search(query, exact=True, limit=30)
    gone = [item.ordinal for item in known if item.id in told(first)[0][:25]]
    world.delete(gone)
    left = [n for n in range(500) if n not in gone]
    wanted = truth(vectors, query, Metric.COSINE, known, k=30, allowed=left)
    assert told(world.search(query, exact=True, limit=30)) == wanted
    assert world.searcher().collection.live(world.searcher().deleted) == 475


def test_additions_are_found_once_they_are_published_and_not_before(world: World):
    vectors = collection(400)
    space = world.space(vectors[:300], 8)
    world.publish(items(300), space)
    before = truth(vectors[:300], vectors[350], Metric.COSINE, items(300))
    grown = world.grown(space, 300, vectors[300:])
    assert told(world.search(vectors[350], exact=True)) == alike(before)
    known = items(400)
    world.publish(known, grown)
    wanted = truth(vectors, vectors[350], Metric.COSINE, known)
    assert told(world.search(vectors[350], exact=True)) == wanted
    assert wanted[0][0] == known[350].id


def test_readers_see_one_index_or_the_other_while_it_is_swapped(world: World):
    old, new = collection(300), collection(300, seed=9)
    query = collection(1, seed=4)[0]
    known = items(300)
    truths = [truth(v, query, Metric.COSINE, known) for v in (old, new)]
    world.publish(known, world.space(old, 6))
    held, deleted = world.shelf.current()
    answers, failures, done = [], [], threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                answers.append(told(world.search(query, exact=True)))
            except Exception as error:  # noqa: BLE001
                failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    current = world.publish(known, world.space(new, 6))
    world.spaces.keep(Kept([world.snapshots.read(1), current], current))
    after = told(world.search(query, exact=True))
    done.set()
    reader.join()
    assert not failures
    assert answers
    assert all(answer in truths for answer in answers)
    assert after == truths[1]
    # Who holds the former snapshot goes on with it.
    assert len(deleted) == 0
    index = held.visual.index
    lists = index.rank(index.ask(query), index.clusters)
    found = index.scan(index.ask(query), lists, 10, Metric.COSINE)
    assert found.distances[:10].tolist() == truths[0][1]


def test_a_tag_is_ranked_in_the_joint_space(world: World):
    vectors, joint = collection(200), collection(200, dim=8, seed=6)
    known = [Item(n, f"id-{n:03d}", ["boat"] if n % 5 == 0 else []) for n in range(200)]
    tag = collection(1, dim=8, seed=7)[0]
    space = world.space(joint, 4, name="joint", fingerprint="network-1")
    world.publish(known, world.space(vectors, 4), space, {"boat": tag})
    found = world.searcher().tagged("Boat", SearchOptions(limit=40), Stopwatch())
    carriers = list(range(0, 200, 5))
    assert told(found) == truth(joint, tag, Metric.COSINE, known, k=40, allowed=carriers)


def test_stored_vectors_come_back_bit_for_bit(world: World):
    vectors = collection(50)
    world.publish(items(50), world.space(vectors, 2))
    found = world.search(vectors[3], exact=True, with_vector=True, limit=2)
    assert found.hits[0].vector == vectors[3].tolist()
    index = world.searcher().collection.visual.index
    np.testing.assert_array_equal(index.vector(49), vectors[49])
    assert index.vector(50) is None


def test_stored_vectors_of_many_images_come_at_once_and_only_of_those_there(world: World):
    vectors = collection(50)
    known = items(60)
    first = world.space(vectors, 2)
    world.publish(known, world.grown(first, 50, collection(10, seed=3), known[50:]))
    index = world.searcher().collection.visual.index
    ordinals, stored = index.stored(np.array([59, 7, 70, 7, 0]))
    assert ordinals.tolist() == [0, 7, 59]
    for ordinal, vector in zip(ordinals.tolist(), stored, strict=True):
        np.testing.assert_array_equal(vector, index.vector(ordinal))
