import faiss
import numpy as np
import pytest

from shared.contracts.query import Metric
from shared.engines.ivf.codec import Codec, CodecTraining, CodeForm
from shared.engines.ivf.codes import CodedLists
from tests.shared.indexes import clustered, index_of

FORMS = [
    (6, None),
    (40, None),
    (300, None),
    (40, CodeForm(40, 20)),  # 4 bits for each dimension
    (40, CodeForm(40, 15)),  # 4 bits for a half of them
    (300, CodeForm(100, 50)),
    (300, CodeForm(60, 15)),
]


@pytest.fixture(params=FORMS, ids=str)
def made(request):
    dim, form = request.param
    vectors = clustered(900, dim)
    codec = CodecTraining(vectors, 0).codec(form or CodeForm.usual(dim))
    lists = np.sort(np.random.default_rng(0).integers(0, 9, len(vectors)))
    lists[lists == 4] = 5  # One list is empty.
    offsets = np.searchsorted(lists, np.arange(10))
    return codec, vectors, lists, CodedLists(codec, codec.encode(vectors), offsets)


def code_distances(codec, vectors, query):
    """Between a query and what the codes stand for, in float64."""
    codes = codec.encode(vectors)
    numbers = np.stack([codes & 15, codes >> 4], axis=2).reshape(len(codes), -1)
    points = codec.codebooks[np.arange(numbers.shape[1]), numbers].reshape(len(codes), -1)
    return ((np.float64(points) - codec.project(query)) ** 2).sum(axis=1)


def test_the_rows_whose_codes_are_nearest_come_first(made):
    codec, vectors, lists, coded = made
    probed = np.array([7, 0, 4, 2])
    inside = np.flatnonzero(np.isin(lists, probed))
    for query in clustered(20, vectors.shape[1], seed=1):
        found = coded.nearest(codec.project(query), probed, 50)
        assert len(set(found.tolist())) == 50
        assert np.isin(found, inside).all()
        away = code_distances(codec, vectors, query)
        # Tables are rounded to 8 bits, so codes that are about as far may change places.
        fiftieth = np.sort(away[inside])[49]
        assert away[found].max() <= fiftieth + 0.05 * (away[inside].max() - away[inside].min())
        everything = coded.nearest(codec.project(query), probed, len(vectors))
        assert sorted(everything.tolist()) == inside.tolist()


def test_rows_that_are_not_allowed_are_left_out(made):
    codec, vectors, _, coded = made
    allowed = np.random.default_rng(1).random(len(vectors)) < 0.3
    bits = np.packbits(allowed, bitorder="little")
    query = codec.project(vectors[17])
    found = coded.nearest(query, np.arange(9), len(vectors), bits)
    assert sorted(found.tolist()) == np.flatnonzero(allowed).tolist()


def test_codes_lie_as_faiss_itself_would_lay_them(made):
    codec, vectors, lists, coded = made
    points = np.ascontiguousarray(codec.project(vectors))
    width = codec.width
    quantizer = faiss.IndexFlatL2(width)
    quantizer.add(points[np.searchsorted(lists, np.arange(9))])
    own = faiss.IndexIVFPQFastScan(quantizer, width, 9, width // 2, 4, faiss.METRIC_L2, 32)
    own.by_residual = False
    faiss.copy_array_to_vector(codec.codebooks.ravel(), own.pq.centroids)
    own.is_trained = True
    own.add(points)
    own.nprobe = 9
    _, wanted = own.search(points[:5], 30)
    for row in range(5):
        found = coded.nearest(points[row], np.arange(9), 30)
        # Equal codes may come in any order.
        assert len(np.setdiff1d(found, wanted[row])) <= 3


def test_the_distance_of_one_code_is_to_what_it_stands_for(made):
    codec, vectors, _, _ = made
    query = clustered(1, vectors.shape[1], seed=1)[0]
    wanted = code_distances(codec, vectors[:20], query)
    point = codec.project(query)
    found = [codec.squared_distance(point, code) for code in codec.encode(vectors[:20])]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_the_usual_form_is_that_of_codes_that_tell_no_other():
    vectors = clustered(900, 40)
    codec = Codec.train(vectors, seed=0)
    assert (codec.width, codec.code_size) == (40, 10)
    assert CodeForm.usual(2048) == CodeForm(256, 64)


def test_more_bits_a_dimension_tell_distances_better():
    vectors = clustered(900, 40)
    forms = [CodeForm(40, 10), CodeForm(40, 15), CodeForm(40, 20)]
    errors, training = [], CodecTraining(vectors, 0)
    for codec in map(training.codec, forms):
        query = vectors[0]
        away = ((np.float64(vectors) - query) ** 2).sum(axis=1)
        errors.append(np.abs(code_distances(codec, vectors, query) - away).mean())
    assert errors[0] > 1.2 * errors[1] > 1.2 * 1.2 * errors[2]


@pytest.mark.parametrize("form", [CodeForm(40, 20), CodeForm(40, 15), CodeForm(20, 10)], ids=str)
def test_both_searches_find_the_same_by_codes_of_any_form(tmp_path, form):
    vectors = clustered(900, 40)
    found = []
    for compiled in (True, False):
        index = index_of(
            tmp_path / str(compiled), vectors, 9, Metric.L2, (), True, "float32", compiled, form
        )
        asked = [index.ask(vector) for vector in clustered(20, 40, seed=1)]
        found.append([index.search(one, 4, None, 10, Metric.L2, 60).ordinals for one in asked])
    shared = [np.isin(one, other).mean() for one, other in zip(*found, strict=True)]
    # Tables are rounded to 8 bits by either, so the last of the 60 may differ.
    assert np.mean(shared) > 0.99
