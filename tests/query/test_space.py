import numpy as np
import pytest

from services.query.search.space import Space
from shared.contracts.query import Metric
from shared.errors import BadVector
from shared.ivf.partition import Partition
from shared.ivf.reader import Postings
from shared.ivf.writer import PostingsWriter


@pytest.mark.parametrize(
    "bad", [[1.0], [1.0] * 3, [], [np.nan, 1.0], [np.inf, 0.0], [1e300, 0.0], [-1e16, 1.0]]
)
def test_a_query_of_another_length_or_out_of_range_is_refused_without_a_warning(tmp_path, bad):
    rows = np.ones((2, 2), np.float32)
    partition = Partition(rows[:1], Metric.L2)
    writer = PostingsWriter(tmp_path / "p", partition, np.zeros(2, np.int64), np.arange(2))
    writer.put(0, rows)
    writer.close()
    space = Space("model", Metric.L2, [Postings(tmp_path / "p")])
    with pytest.raises(BadVector):  # Warnings are errors here.
        space.checked(np.array(bad))
