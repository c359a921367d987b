import numpy as np
import pytest

from services.query.search.audit import Answer, Audit, recall_of
from shared.contracts.query import Metric
from tests.shared.indexes import clustered, index_of


@pytest.fixture
def index(tmp_path):
    return index_of(tmp_path, clustered(600, 12), 12, Metric.L2, [400], coded=True)


def answered(index, query, nprobe, depth, left_out=(), k=10, snapshot=1):
    asked, mask = index.ask(query), index.mask(np.array(left_out, np.int64))
    found = index.scan(asked, index.rank(asked, nprobe), k, Metric.L2, depth, mask)
    return Answer(snapshot, index, asked, k, Metric.L2, mask, found, 0.5)


def test_the_recall_of_an_answer_is_the_share_of_the_exact_one_that_it_holds(index):
    recalls = []
    for query in clustered(30, 12, seed=1):
        gone = answered(index, query, 12, None).found.ordinals[:3]
        exact = answered(index, query, 12, None, gone).found.ordinals[:10]
        for nprobe, depth in ((1, None), (3, 12)):
            answer = answered(index, query, nprobe, depth, gone)
            share = np.isin(exact, answer.found.ordinals[:10]).mean()
            assert recall_of(answer) == pytest.approx(share)
            recalls.append(share)
        assert recall_of(answered(index, query, 12, None, gone)) == 1
    assert 0.2 < np.mean(recalls) < 1


def test_a_tie_with_the_last_is_as_good_as_the_last(tmp_path):
    index = index_of(tmp_path, np.ones((20, 4), np.float32), 1, Metric.L2)
    answer = answered(index, np.zeros(4, np.float32), 1, None, k=5)
    assert recall_of(answer) == 1


def test_answers_are_checked_in_the_background_and_told_by_snapshot(index):
    told = []
    audit = Audit(1.0, lambda *recall: told.append(recall))
    audit.start()
    answer = answered(index, clustered(1, 12, seed=2)[0], 1, None)
    while not told:
        audit.offer(answer)
    audit.stop()
    assert told[0] == (recall_of(answer), 0.5)
    live = audit.live_recall(1)
    assert live is not None
    assert live.queries == len(told)
    assert (live.measured, live.expected) == (pytest.approx(told[0][0]), 0.5)
    assert audit.live_recall(2) is None


def test_nothing_is_checked_where_that_is_turned_off(index):
    audit = Audit(0.0, lambda *_: pytest.fail("an answer was checked"))
    audit.start()
    for _ in range(50):
        audit.offer(answered(index, clustered(1, 12)[0], 1, None))
    audit.stop()
    assert audit.live_recall(1) is None
