import os

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.query import Metric
from shared.core.errors import Corrupt
from shared.engines.ivf import layout
from shared.engines.ivf.partition import Partition
from shared.engines.ivf.reader import Postings
from shared.engines.ivf.writer import PostingsWriter
from shared.files.mapped import write_arrays


@st.composite
def cases(draw):
    """Rows over clusters, some of which are empty; ordinals in any order; blocks of any size."""
    rows = draw(st.integers(0, 60))
    dim, clusters = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    assignments = rng.integers(0, draw(st.integers(1, clusters)), rows)
    ordinals = rng.permutation(3 * rows)[:rows].astype(np.int64)
    vectors = rng.normal(size=(rows, dim)).astype(np.float32)
    cuts = sorted(draw(st.lists(st.integers(0, rows), max_size=5)))
    blocks = list(zip([0, *cuts], [*cuts, rows], strict=True))
    centroids = rng.normal(size=(clusters, dim)).astype(np.float32)
    return (
        assignments,
        ordinals,
        vectors,
        blocks,
        clusters,
        draw(st.sampled_from([centroids, None])),
    )


def write(path, case):
    assignments, ordinals, vectors, blocks, clusters, centroids = case
    lists = np.zeros((clusters, vectors.shape[1]), np.float32) if centroids is None else centroids
    partition = Partition(lists, Metric.L2)
    writer = PostingsWriter(path, partition, assignments, ordinals, centroids is not None)
    for start, end in reversed(blocks):
        writer.put(start, vectors[start:end])
    writer.close()
    return Postings(path)


@given(cases())
def test_each_list_has_the_vectors_assigned_to_it_by_ascending_ordinal(fresh, case):
    assignments, ordinals, vectors, _, clusters, centroids = case
    postings = write(fresh() / "p.hdf5", case)
    assert (postings.rows, postings.clusters) == (len(ordinals), clusters)
    for number in range(clusters):
        rows = postings.rows_of_lists(np.array([number]))
        members = np.flatnonzero(assignments == number)
        members = members[np.argsort(ordinals[members])]
        assert postings.ordinals[rows].tolist() == ordinals[members].tolist()
        assert np.array_equal(postings.vectors[rows], vectors[members])
        lengths = np.linalg.norm(vectors[members].astype(np.float64), axis=1)
        np.testing.assert_allclose(postings.norms[rows], lengths, rtol=1e-6)
        assert (postings.lists_of_rows(rows) == number).all()
    if centroids is None:
        assert postings.centroids is None
    else:
        assert np.array_equal(postings.centroids, centroids)


@given(cases(), st.data())
def test_rows_of_lists_are_one_list_after_another_in_the_order_asked(fresh, case, data):
    postings = write(fresh() / "p.hdf5", case)
    lists = data.draw(st.lists(st.integers(0, postings.clusters - 1), unique=True))
    offsets = postings.list_offsets
    wanted = [row for n in lists for row in range(offsets[n], offsets[n + 1])]
    assert postings.rows_of_lists(np.array(lists, np.int64)).tolist() == wanted
    assert postings.lists_of_rows(np.array(wanted, np.int64)).tolist() == [
        n for n in lists for _ in range(offsets[n], offsets[n + 1])
    ]


@given(cases(), st.lists(st.integers(-5, 200)))
def test_find_gives_the_row_of_an_image_or_minus_one(fresh, case, wanted):
    postings = write(fresh() / "p.hdf5", case)
    rows = postings.find(np.array(wanted, np.int64))
    there = {ordinal: row for row, ordinal in enumerate(postings.ordinals.tolist())}
    assert rows.tolist() == [there.get(ordinal, -1) for ordinal in wanted]


def test_norms_hold_for_the_smallest_and_largest_numbers(tmp_path):
    vectors = np.array([[3e-30, 4e-30], [3e30, 4e30], [0, 0]], np.float32)
    case = (np.zeros(3, np.int64), np.arange(3), vectors, [(0, 3)], 1, None)
    np.testing.assert_allclose(write(tmp_path / "p", case).norms, [5e-30, 5e30, 0], rtol=1e-6)


def test_every_dataset_is_contiguous_and_uncompressed(tmp_path):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 8)).astype(np.float32)
    case = (rng.integers(0, 4, 500), np.arange(500), vectors, [(0, 500)], 4, vectors[:4])
    write(tmp_path / "p.hdf5", case)
    with h5py.File(tmp_path / "p.hdf5") as file:
        assert set(file) == {
            layout.CENTROIDS,
            layout.LIST_OFFSETS,
            layout.VECTORS,
            layout.NORMS,
            layout.ORDINALS,
            layout.BY_ORDINAL,
        }
        for data in file.values():
            assert data.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS
            assert data.id.get_offset() is not None


@pytest.mark.parametrize("missing", [layout.VECTORS, layout.LIST_OFFSETS, layout.BY_ORDINAL])
def test_a_file_without_one_of_its_datasets_is_corrupt(tmp_path, missing):
    arrays = _arrays()
    del arrays[missing]
    write_arrays(tmp_path / "p", arrays)
    with pytest.raises(Corrupt, match=missing):
        Postings(tmp_path / "p")


def test_lists_that_do_not_add_up_to_the_rows_are_corrupt(tmp_path):
    write_arrays(tmp_path / "p", _arrays() | {layout.LIST_OFFSETS: np.array([0, 3])})
    with pytest.raises(Corrupt, match="don't agree"):
        Postings(tmp_path / "p")


def _arrays():
    return {
        layout.VECTORS: np.ones((2, 3), np.float32),
        layout.NORMS: np.ones(2, np.float32),
        layout.ORDINALS: np.arange(2),
        layout.BY_ORDINAL: np.arange(2),
        layout.LIST_OFFSETS: np.array([0, 2]),
    }


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rows_that_come_from_disk_are_asked_for_at_once_each_run_as_one(
    tmp_path, monkeypatch, dtype
):
    vectors = np.random.default_rng(0).normal(size=(500, 7)).astype(dtype)
    partition = Partition(np.zeros((1, 7), np.float32), Metric.L2, dtype=dtype)
    lists = np.zeros(500, np.int64)
    writer = PostingsWriter(tmp_path / "p", partition, lists, np.arange(500))
    writer.put(0, vectors.astype(np.float32))
    writer.close()
    postings = Postings(tmp_path / "p")
    data, asked = (tmp_path / "p").read_bytes(), []

    def noted(_, offset, length, advice):
        assert advice == os.POSIX_FADV_WILLNEED
        asked.append(np.frombuffer(data[offset : offset + length], dtype).reshape(-1, 7))

    monkeypatch.setattr("os.posix_fadvise", noted)
    monkeypatch.setattr("shared.engines.ivf.reader._SLOW_ROW", -1.0)  # Whatever takes time is slow.
    rows = np.array([3, 7, 8, 9, 400, 499])
    for runs in ([], [[3], [7, 8, 9], [400], [499]]):
        asked.clear()
        found = postings.gather(rows)
        assert found.dtype == np.float32
        assert np.array_equal(found, vectors[rows])
        assert len(asked) == len(runs)
        assert all(np.array_equal(a, vectors[run]) for a, run in zip(asked, runs, strict=True))
    monkeypatch.setattr("shared.engines.ivf.reader._SLOW_ROW", 1.0)
    postings.gather(rows)
    asked.clear()
    postings.gather(rows)
    assert asked == []
