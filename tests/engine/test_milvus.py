"""What only Milvus brings with it: it may be away, of another model, or lack an index."""

import logging
import time

import pytest

from services.indexer.segments.engine import Kept
from services.query.search.exploring import duplicates
from shared.contracts.query import Metric
from shared.core.errors import Conflict, Corrupt, FingerprintMismatch, Unavailable
from shared.engines.milvus.collection import name_of
from shared.engines.milvus.server import Milvus
from tests.engine.test_contract import collection, told, truth
from tests.engine.world import World, items

pytestmark = pytest.mark.slow


def test_a_collection_of_another_model_is_refused(milvus_world):
    world = milvus_world()
    space = world.space(collection(20), fingerprint="model-2")
    world.publish(items(20), space.model_copy(update={"fingerprint": "model-1"}))
    with pytest.raises(FingerprintMismatch, match=r"model-1.*model-2.*ise build"):
        world.searcher()


def test_a_collection_that_is_gone_is_told_with_the_way_out(milvus_world):
    world = milvus_world()
    space = world.space(collection(20))
    world.publish(items(20), space)
    world.spaces.of(space)._own(space).drop()
    with pytest.raises(Corrupt, match="ise build"):
        world.searcher()


def test_milvus_may_go_and_come_back(mortal_server, tmp_path):
    server = mortal_server
    (tmp_path / "data" / "segments").mkdir(parents=True)
    world = World(tmp_path / "data", Milvus(server.uri))
    vectors, known = collection(100), items(100)
    space = world.space(vectors[:90], 4)
    # Put there after the index was built, and acknowledged: what a write-ahead log must hold.
    world.publish(known, world.grown(space, 90, vectors[90:]))
    wanted = truth(vectors, vectors[0], Metric.COSINE, known)
    assert told(world.search(vectors[0], exact=True)) == wanted
    server.kill()
    with pytest.raises(Unavailable, match="ISE_MILVUS_URI") as refused:
        world.search(vectors[0], exact=True)
    assert refused.value.extra["retry_after"] > 0
    # A deletion is acknowledged all the same: its tombstone hides it.
    world.delete([0])
    server.start()
    wanted = truth(vectors, vectors[0], Metric.COSINE, known, allowed=range(1, 100))
    deadline = time.monotonic() + 120
    while True:
        try:
            assert told(world.search(vectors[0], exact=True)) == wanted
            break
        except Unavailable:
            assert time.monotonic() < deadline, "it doesn't come back"
            time.sleep(0.2)


def test_exact_is_exact_where_the_index_rounds_vectors(milvus_world):
    world = milvus_world("IVF_SQ8")
    vectors, known = collection(3000), items(3000)
    world.publish(known, world.space(vectors, 10))
    for metric in Metric:
        wanted = truth(vectors, vectors[5], metric, known)
        assert told(world.search(vectors[5], metric=metric, exact=True)) == wanted


def test_an_index_that_milvus_lacks_is_built_flat_and_said_so(milvus_world, caplog):
    world = milvus_world("IVF_RABITQ")
    with caplog.at_level(logging.WARNING):
        space = world.space(collection(50), 2)
    assert space.milvus.index_type == "IVF_FLAT"
    assert "IVF_FLAT is built instead of IVF_RABITQ" in caplog.text


def test_near_duplicates_of_all_are_refused_and_the_way_out_is_told(milvus_world):
    world = milvus_world()
    world.publish(items(20), world.space(collection(20), 2))
    with pytest.raises(Conflict, match=r"Milvus doesn't expose its clusters.*`group_duplicates`"):
        duplicates(world.searcher(), threshold=0.98, limit=10, cursor=None)


def test_collections_go_with_the_snapshots_that_name_them(milvus_world):
    world = milvus_world()
    made = []
    for seed in range(3):
        space = world.space(collection(30, seed=seed), 2)
        made.append(world.publish(items(30), space))
    kept, current = made[1:], made[-1]
    world.spaces.keep(Kept(kept, current))
    with world.milvus.asked() as client:
        listed = client.list_collections()
        there = {name_of(n) for n in listed if n.startswith(world.spaces.chosen._prefix)}
        alias = client.describe_alias(f"{world.spaces.chosen._prefix}_visual")
    assert sorted(there) == sorted(one.visual.milvus.collection for one in kept)
    assert alias["collection_name"] == current.visual.milvus.collection
    # One that left the memory comes back when somebody asks it.
    older = world.spaces.index(kept[0].visual)
    vector = collection(30, seed=1)[4]
    asked = older.ask(vector)
    assert older.scan(asked, older.rank(asked, 2), 1, Metric.COSINE).ordinals[0] == 4


def test_another_installation_on_the_same_milvus_keeps_its_collections(milvus_server, tmp_path):
    worlds = []
    for name in ("one", "two"):
        (tmp_path / name / "segments").mkdir(parents=True)
        world = World(tmp_path / name, Milvus(milvus_server.uri))
        worlds.append((world, world.publish(items(20), world.space(collection(20)))))
    (one, manifest), (other, _) = worlds
    one.spaces.keep(Kept([manifest], manifest))
    assert len(other.search(collection(20)[0], exact=True, limit=20).hits) == 20


def test_what_a_build_that_failed_had_made_is_dropped(milvus_world):
    world = milvus_world()
    current = world.publish(items(20), world.space(collection(20)))
    world.spaces.keep(Kept([current], current))
    failed = world.space(collection(20, seed=1))
    world.spaces.keep(Kept([current], current))
    with world.milvus.asked() as client:
        there = client.list_collections()
    assert failed.milvus.collection not in there
    assert current.visual.milvus.collection in there
