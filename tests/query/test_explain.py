"""What an explanation tells of the way to a hit."""

import numpy as np
import pytest

from services.indexer.segments.store import CODED_ROWS
from shared.contracts.query import Metric
from shared.snapshots.items import Item
from tests.shared.indexes import clustered

ROWS = CODED_ROWS


@pytest.fixture(scope="module", params=list(Metric), ids=str)
def coded(request, fresh_library, serve):
    library = fresh_library()
    vectors = clustered(ROWS, 24)
    items = [Item(i, f"i{i}") for i in range(ROWS)]
    library.publish(items, visual=library.space(vectors, 30, request.param, coded=True))
    return serve(library), request.param


def test_a_hit_that_its_code_chose_tells_both_distances(coded):
    service, _ = coded
    candidate, exact = [], []
    for number in range(0, ROWS, 500):
        hits = service.search(id=f"i{number}", nprobe=4, limit=20, explain=True)["hits"]
        told = [hit["explain"] for hit in hits if hit["explain"]]
        assert [one["exact_distance"] for one in told] == [hit["distance"] for hit in hits]
        assert all(1 <= one["cluster_rank"] <= 4 for one in told)
        candidate += [one["candidate_distance"] for one in told]
        exact += [one["exact_distance"] for one in told]
    # A code is a coarse likeness, of the same thing in the same unit.
    assert np.corrcoef(candidate, exact)[0, 1] > 0.8
    assert np.median(np.array(candidate)) == pytest.approx(np.median(exact), rel=0.5)


def test_where_every_row_was_looked_at_no_code_chose(coded):
    hits = coded[0].search(id="i7", exact=True, explain=True)["hits"]
    assert {hit["explain"]["candidate_distance"] for hit in hits} == {None}
