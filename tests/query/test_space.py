from pathlib import Path

import numpy as np
import pytest

from services.query.search.snapshot_reader import SnapshotReader
from services.query.search.space import Space
from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric
from shared.core.errors import BadVector
from shared.engines.ivf.index import InvertedIndex
from shared.engines.ivf.partition import Partition
from shared.engines.ivf.reader import Postings
from shared.engines.ivf.writer import PostingsWriter
from shared.snapshots.items import Item
from shared.snapshots.manifest import SpaceManifest


def one_list(folder: Path) -> InvertedIndex:
    rows = np.ones((2, 2), np.float32)
    partition = Partition(rows[:1], Metric.L2)
    writer = PostingsWriter(folder / "p", partition, np.zeros(2, np.int64), np.arange(2))
    writer.put(0, rows)
    writer.close()
    return InvertedIndex([Postings(folder / "p")], Metric.L2)


@pytest.mark.parametrize(
    "bad", [[1.0], [1.0] * 3, [], [np.nan, 1.0], [np.inf, 0.0], [1e300, 0.0], [-1e16, 1.0]]
)
def test_a_query_of_another_length_or_out_of_range_is_refused_without_a_warning(tmp_path, bad):
    space = Space("model", one_list(tmp_path))
    with pytest.raises(BadVector):  # Warnings are errors here.
        space.checked(np.array(bad))


def test_a_term_that_was_not_trained_on_has_probabilities_of_its_own(tmp_path):
    def told(untrained: bool, most: float) -> Calibration:
        return Calibration(
            space="joint",
            metric=Metric.L2,
            untrained=untrained,
            scores=[0.0, 1.0],
            probabilities=[0.0, most],
            queries=1,
            pairs=100,
            expected_error=0,
            brier=0,
            base_rate_brier=0.25,
            predicted=[],
            matched=[],
        )

    index = one_list(tmp_path)
    space = Space("network", index, calibration=[told(False, 1.0), told(True, 0.5)])
    assert space.chances([0.5], Metric.L2) == [0.5]
    term = np.ones(space.index.dim, np.float32)
    assert space.for_untrained(term).chances([0.5], Metric.L2) == [0.25]
    older = Space("network", index, calibration=[told(False, 1.0)])
    assert older.for_untrained(term).chances([0.5], Metric.L2) == [None]


def test_the_sample_of_the_vectors_is_taken_over_by_a_snapshot_with_the_same_files(fresh_library):
    library = fresh_library()
    rows = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    told = Calibration(
        space="joint",
        metric=Metric.COSINE,
        untrained=True,
        standardized=True,
        scores=[-1.0, 1.0],
        probabilities=[0.0, 1.0],
        queries=1,
        pairs=100,
        expected_error=0,
        brier=0,
        base_rate_brier=0.25,
        predicted=[],
        matched=[],
    )
    joint = library.space(rows, name="joint").model_copy(update={"calibration": [told]})
    items = [Item(i, f"i{i}") for i in range(60)]
    reader = SnapshotReader(library.folder)
    reads = []

    def searched(space: SpaceManifest) -> list[float | None]:
        """Publish a snapshot, and judge a term in it; counts the vectors that are read."""
        library.publish(items, joint=space)
        opened = reader.current()[0].joint
        vector = opened.index.vector
        opened.index.vector = lambda ordinal: (reads.append(ordinal), vector(ordinal))[1]
        reads.clear()
        return opened.for_untrained(rows[0]).chances([0.1], Metric.COSINE)

    first = searched(joint)
    assert len(reads) == 60
    assert searched(joint) == pytest.approx(first)
    assert reads == []
    searched(library.space(-rows, name="joint").model_copy(update={"calibration": [told]}))
    assert len(reads) == 60
