"""The compiled search against faiss and numpy, at each level of instructions that can run here."""

import itertools
import platform
from types import ModuleType

import faiss
import numpy as np
import pytest

from shared.contracts.query import Metric
from shared.core.errors import Corrupt
from shared.engines.ivf import compiled, extension
from shared.engines.ivf.candidates import IndexSearch
from shared.engines.ivf.codec import Codec
from shared.engines.ivf.index import InvertedIndex
from tests.shared.indexes import clustered, index_of

pytestmark = pytest.mark.floats
# It is optional: without a C compiler, faiss and numpy search.
pytest.importorskip("shared.engines.ivf._native", reason="built only where there is a C compiler")


@pytest.fixture(params=[1, 2])
def level(request):
    """A level of instructions: AVX2, and AVX-512."""
    from shared.engines.ivf import _native

    before = _native.level()
    # On a processor without AVX-512 both are AVX2.
    yield _native.level(request.param)
    _native.level(before)


def both(tmp_path, vectors, metric, **built):
    """The same segments, searched by compiled code and without it."""
    index = index_of(tmp_path, vectors, 20, metric, [len(vectors) * 9 // 10], coded=True, **built)
    return index, InvertedIndex(index.segments, metric, compiled=False)


def test_the_extension_was_built_and_runs_on_this_processor():
    from shared.engines.ivf import _native

    can_run = _native.level() > 0
    assert compiled.is_available() == can_run
    assert can_run or platform.machine() != "x86_64"


def test_an_extension_of_an_older_version_is_left_out_and_told(monkeypatch, caplog):
    monkeypatch.setattr("shared.engines.ivf._native", ModuleType("_native"))
    assert extension.native.__wrapped__() is None
    assert "pip install -e ." in caplog.text


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize(("dim", "dtype"), [(6, "float32"), (40, "float16"), (300, "float32")])
def test_compiled_code_finds_what_faiss_and_numpy_find(tmp_path, level, metric, dim, dtype):
    vectors = clustered(2000, dim)
    fast, plain = both(tmp_path, vectors, metric, dtype=dtype)
    left_out = np.arange(0, 2000, 3)
    for mask in (None, fast.mask(left_out)):
        for number, query in enumerate(clustered(20, dim, seed=1)):
            reach = None if number % 2 else 0.3
            include = 3 * number + 1 if number % 3 else None
            asked = fast.ask(query), 7, reach, 10, metric, 60, mask, include
            found, wanted = fast.search(*asked), plain.search(*asked)
            assert (found.nprobe, found.scanned, found.live) == (
                wanted.nprobe,
                wanted.scanned,
                wanted.live,
            )
            # Codes that are about as far may change places at the depth.
            assert abs(found.reranked - wanted.reranked) <= 1
            assert len(np.setdiff1d(found.ordinals[:10], wanted.ordinals[:10])) <= 1
            shared, here, there = np.intersect1d(
                found.ordinals, wanted.ordinals, return_indices=True
            )
            assert len(shared) >= 9
            # To the last bit: answers of both are compared with each other.
            assert (found.distances[here] == wanted.distances[there]).all()
            assert (found.clusters[here] == wanted.clusters[there]).all()
            assert (found.ranks[here] == wanted.ranks[there]).all()
            assert (found.segments[here] == wanted.segments[there]).all()
            if mask is not None:
                assert not np.isin(found.ordinals, left_out).any()


@pytest.mark.parametrize(("coded_for", "asked_for"), list(itertools.permutations(Metric)))
@pytest.mark.parametrize("dim", [16, 300])
def test_codes_serve_both_metrics(tmp_path, level, coded_for, asked_for, dim):
    rng = np.random.default_rng(5)
    vectors = clustered(3000, dim) * rng.uniform(0.8, 1.25, (3000, 1)).astype(np.float32)
    index = index_of(tmp_path, vectors, 20, coded_for, [2700], coded=True)
    assert index.is_coded(asked_for)
    recalls, looked_at = [], []
    for query in clustered(40, dim, seed=1):
        asked = index.ask(query)
        found = index.search(asked, 10, None, 10, asked_for, 150)
        every = index.search(asked, 10, None, 10, asked_for)
        recalls.append(np.isin(every.ordinals[:10], found.ordinals).mean())
        looked_at.append(found.reranked / every.reranked)
    # Codes of one metric are coarser for the other.
    assert np.mean(recalls) > 0.7
    assert np.mean(looked_at) < 0.5


def test_nothing_that_does_not_fit_reaches_compiled_code(tmp_path):
    vectors = clustered(500, 16)
    index = index_of(tmp_path, vectors, 5, Metric.L2, coded=True)
    asked = index.ask(vectors[0])
    with pytest.raises(ValueError, match="no such list"):
        index.scan(asked, np.array([0, 7]), 3, Metric.L2, 5)
    with pytest.raises(ValueError, match="too short"):
        index.search(index.ask(vectors[0, :9]), 2, None, 3, Metric.L2, 5)


def damaged(name, value):
    def change(postings):
        array = np.array(getattr(postings, name))
        array[value[0]] = value[1]
        setattr(postings, name, array)

    return change


@pytest.mark.parametrize(
    "change",
    [
        damaged("list_offsets", (1, 10**9)),
        damaged("list_offsets", (0, -1)),
        damaged("list_offsets", (2, -5)),
        lambda postings: setattr(postings, "codes", np.zeros((500, 9), np.uint8)),
        lambda postings: setattr(postings, "norms", postings.norms[:-1]),
    ],
)
def test_a_damaged_segment_is_refused_before_it_is_searched(tmp_path, change):
    index = index_of(tmp_path, clustered(500, 16), 5, Metric.L2, coded=True)
    change(index.segments[0])
    with pytest.raises(Corrupt):
        InvertedIndex(index.segments, Metric.L2)


def test_a_segment_of_other_clusters_or_dimensions_is_refused(tmp_path):
    one, *others = (
        index_of(
            tmp_path / str(dim + clusters), clustered(500, dim), clusters, Metric.L2, coded=True
        )
        for dim, clusters in ((16, 5), (16, 6), (20, 5))
    )
    for other in others:
        with pytest.raises(Corrupt, match="doesn't fit"):
            InvertedIndex([*one.segments, *other.segments], Metric.L2)


def test_rows_by_ordinal_of_a_damaged_segment_are_not_followed(tmp_path):
    vectors = clustered(500, 16)
    index = index_of(tmp_path, vectors, 5, Metric.L2, coded=True)
    index.segments[0].by_ordinal = np.full(500, 2**40)
    found = InvertedIndex(index.segments, Metric.L2)
    for include in (0, 499, 600):
        asked = found.ask(vectors[0]), 2, None, 3, Metric.L2, 5, None, include
        assert len(found.search(*asked).ordinals) >= 3


@pytest.mark.parametrize(("nprobe", "k", "depth"), [(0, 3, 5), (-1, 3, 5), (2, 3, -1), (2, 900, 5)])
def test_numbers_that_ask_for_nothing_or_for_more_than_all_are_safe(tmp_path, nprobe, k, depth):
    vectors = clustered(500, 16)
    index = index_of(tmp_path, vectors, 5, Metric.L2, coded=True)
    asked = index.ask(vectors[0])
    assert len(index.search(asked, nprobe, None, k, Metric.L2, depth).ordinals) <= 5
    one = IndexSearch(asked, nprobe, None, k, Metric.L2, depth)
    assert [len(found.ordinals) <= 5 for found in index.search_many([one] * 70)] == [True] * 70


@pytest.mark.parametrize(("said", "runs"), [("NONE", False), ("AVX2", True), ("", True)])
def test_the_level_of_faiss_limits_the_instructions(monkeypatch, said, runs):
    from shared.engines.ivf import _native

    before = _native.level()
    monkeypatch.setenv("FAISS_SIMD_LEVEL", said)
    try:
        compiled._native.cache_clear()
        assert compiled.is_available() == (runs and _native.level(2) > 0)
    finally:
        _native.level(before)
        compiled._native.cache_clear()


@pytest.mark.parametrize("width", [4, 60, 256])
def test_points_are_encoded_as_by_faiss(level, width):
    rng = np.random.default_rng(0)
    codebooks = rng.normal(size=(width // 2, 16, 2)).astype(np.float32)
    codec = Codec(np.zeros(width, np.float32), np.eye(width, dtype=np.float32), codebooks)
    points = rng.normal(size=(1100, width)).astype(np.float32)
    quantizer = faiss.ProductQuantizer(width, width // 2, 4)
    faiss.copy_array_to_vector(codebooks.ravel(), quantizer.centroids)
    assert np.array_equal(codec.encode(points), quantizer.compute_codes(points))


@pytest.mark.parametrize(("pairs", "books"), [(3, 3), (0, 0), (130, 130), (4, 2)])
def test_codes_of_other_shapes_are_not_made(pairs, books):
    from shared.engines.ivf import _native

    with pytest.raises(ValueError, match=r"have no codes|too short"):
        _native.encode(np.zeros((5, 8), np.float32), np.zeros((books, 16, 2), np.float32), pairs)
