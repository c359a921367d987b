"""The feature store."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.storage.feature_store import FeatureStore
from shared.core.errors import Corrupt


def rows(shards: list[int], rows: list[int]) -> FeatureRows:
    ordinals = np.arange(len(rows), dtype=np.int64)
    return FeatureRows(ordinals, np.array(shards, np.int64), np.array(rows, np.int64))


def numbered(count: int, start: float = 0) -> np.ndarray:
    return (np.arange(count, dtype=np.float32) + start)[:, None].repeat(3, axis=1)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path)


def test_shards_are_plain_float32_tables_numbered_upwards(store):
    assert [store.append("m", numbered(2)), store.append("m", numbered(1))] == [1, 2]
    assert store.append("n", numbered(1)) == 1
    table = np.load(store.folder / "m" / "00000001.npy", allow_pickle=False)
    assert table.dtype == np.float32
    assert table.shape == (2, 3)


def test_a_new_process_goes_on_after_the_last_shard(store, tmp_path):
    store.append("m", numbered(1))
    assert FeatureStore(tmp_path).append("m", numbered(1)) == 2


@settings(max_examples=25, deadline=None)
@given(wanted=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4)), max_size=30))
def test_rows_come_in_the_order_asked(tmp_path_factory, wanted):
    store = FeatureStore(tmp_path_factory.mktemp("features"))
    for shard in (1, 2, 3):
        store.append("m", numbered(5, start=10 * shard))
    found = store.read("m", rows([s for s, _ in wanted], [r for _, r in wanted]))
    assert found[:, :1].ravel().tolist() == [10.0 * s + r for s, r in wanted]


def test_blocks_are_as_the_whole(store, monkeypatch):
    monkeypatch.setattr("services.indexer.storage.feature_store._BLOCK", 4)
    store.append("m", numbered(6))
    store.append("m", numbered(6, start=6))
    where = rows([1] * 6 + [2] * 6, [*range(6), *range(6)])
    blocks = list(store.blocks("m", where))
    assert [start for start, _ in blocks] == [0, 4, 8]
    assert np.concatenate([b for _, b in blocks])[:, 0].tolist() == list(range(12))


def test_nothing_asked_is_nothing_read(store):
    assert len(store.read("m", rows([], []))) == 0


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "text", "pickled", "float64", "1-d"])
def test_a_shard_that_is_not_what_it_was_is_corrupt(store, damage):
    store.append("m", numbered(4))
    path = store.folder / "m" / "00000001.npy"
    match damage:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(path.read_bytes()[:-8])
        case "text":
            path.write_text("not a table")
        case "pickled":
            np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
        case "float64":
            np.save(path, np.zeros((4, 3)))
        case "1-d":
            np.save(path, np.zeros(4, np.float32))
    with pytest.raises(Corrupt, match="00000001"):
        store.read("m", rows([1], [0]))


def test_a_shard_with_too_few_rows_is_corrupt(store):
    store.append("m", numbered(2))
    with pytest.raises(Corrupt, match="fewer rows"):
        store.read("m", rows([1], [2]))


def test_a_shard_is_there_whole_or_not_at_all(store, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space"):
        store.append("m", numbered(1))
    assert list((store.folder / "m").iterdir()) == []


def test_a_copy_is_as_the_whole(store, monkeypatch, tmp_path):
    monkeypatch.setattr("services.indexer.storage.feature_store._BLOCK", 4)
    monkeypatch.setattr(FeatureStore, "read", None)
    store.append("m", numbered(6))
    store.append("m", numbered(6, start=6))
    store.copy("m", rows([1] * 6 + [2] * 5, [*range(6), *range(5)]), tmp_path / "copy.npy")
    copied = np.load(tmp_path / "copy.npy", allow_pickle=False)
    assert (copied.dtype, copied.shape) == (np.float32, (11, 3))
    assert copied[:, 0].tolist() == list(range(11))
