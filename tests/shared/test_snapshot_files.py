"""Tag vectors, and the store of snapshots."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve, RecallPoint
from shared.core.errors import Corrupt, Misconfigured, NotFound
from shared.files import durable
from shared.snapshots.manifest import Manifest, SegmentFile, SpaceManifest
from shared.snapshots.store import SnapshotStore
from shared.snapshots.tag_vectors import read_tag_vectors, write_tag_vectors

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
VECTOR = arrays.arrays(np.float32, 4, elements=st.floats(-1, 1, width=32))


@given(st.dictionaries(KEYS, VECTOR, max_size=6))
def test_tag_vectors_come_back_as_they_were(fresh, vectors):
    path = fresh() / "tags.hdf5"
    assert write_tag_vectors(path, vectors) == len(vectors)
    back = read_tag_vectors(path)
    assert set(back) == set(vectors)
    for key, vector in vectors.items():
        assert back[key].dtype == np.float32
        assert np.array_equal(back[key], vector)


@pytest.fixture
def store(tmp_path) -> SnapshotStore:
    store = SnapshotStore(tmp_path)
    durable.write_bytes(store.segments / "a.hdf5", bytes(range(200)))
    return store


def segment(store: SnapshotStore) -> SegmentFile:
    path = store.segments / "a.hdf5"
    sha256, size = durable.sha256_of(path), path.stat().st_size
    return SegmentFile(name="a.hdf5", sha256=sha256, bytes=size, rows=3)


def manifest(number: int, **fields: object) -> Manifest:
    given = {"number": number, "created_at": "now", "reason": "test", "revision": 1, "images": 0}
    return Manifest(**(given | fields))


def test_a_manifest_comes_back_as_it_was_with_all_its_files(store):
    file = segment(store)
    point = RecallPoint(nprobe=1, recall=0.1 + 0.2, scanned_fraction=1 / 3)
    curve = RecallCurve(space="visual", metric=Metric.L2, k=10, queries=5, points=[point])
    space = SpaceManifest(
        fingerprint="f",
        dim=3,
        metric=Metric.COSINE,
        clusters=2,
        seed=1,
        postings=[file, file],
        recall=[curve],
    )
    published = manifest(7, items=[file], visual=space, joint=space, tag_vectors=[file])
    store.publish(published)
    assert store.current() == store.read(7) == published
    assert len(published.files()) == 6


def test_the_last_published_is_the_current_one_and_the_others_stay(store):
    assert (store.current(), store.numbers()) == (None, [])
    for number in (1, 2, 10):
        store.publish(manifest(number))
        assert (store.current_number(), store.current().number) == (number, number)
    assert store.numbers() == [1, 2, 10]
    with pytest.raises(NotFound, match="no snapshot 3"):
        store.read(3)


def test_what_a_crash_left_between_manifest_and_pointer_is_not_current(store):
    store.publish(manifest(1))
    durable.write_text(store.path(2), manifest(2).model_dump_json())
    assert store.current().number == 1


def test_a_manifest_of_another_format_is_refused_by_its_number(store):
    store.publish(manifest(1, format=2))
    with pytest.raises(Misconfigured, match="format 2"):
        store.current()


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"format": 1}'])
def test_a_manifest_that_can_not_be_read_is_corrupt(store, text):
    store.publish(manifest(1))
    store.path(1).write_text(text)
    with pytest.raises(Corrupt, match=r"manifest\.json"):
        store.current()


@pytest.mark.parametrize("text", ["", "x", "1.5"])
def test_a_pointer_that_is_no_number_is_corrupt(store, text):
    store.publish(manifest(1))
    (store.folder / "CURRENT").write_text(text)
    with pytest.raises(Corrupt, match="CURRENT"):
        store.current()


def test_an_intact_segment_is_given_by_its_path(store):
    assert store.verified(segment(store)) == store.segments / "a.hdf5"


def test_every_flipped_bit_and_every_truncation_of_a_segment_is_found(store):
    file, path = segment(store), store.segments / "a.hdf5"
    whole = path.read_bytes()
    damaged = [whole[:n] for n in range(len(whole))] + [whole + b"\0"]
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(Corrupt, match=r"a\.hdf5 is damaged"):
            store.verified(file)
    path.unlink()
    with pytest.raises(Corrupt, match=r"a\.hdf5 is missing"):
        store.verified(file)
