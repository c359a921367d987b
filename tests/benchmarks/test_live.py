"""A small run of the benchmark of a changing collection: what it promises must hold."""

import pytest

from benchmarks import live


@pytest.mark.slow
def test_nothing_fails_is_lost_or_comes_back_while_images_come_and_go(tmp_path):
    found = live.measure(tmp_path, rows=1500, dim=32, adds=120, deletes=12, batch=4, quiet_s=0.5)
    assert (found["adds"], found["deletes"]) == (120, 12)
    for period in ("quiet", "during", "compacted", "fresh"):
        assert found[period]["searches"] > 0
        assert found[period]["failures"] == 0
    assert found["deleted_found"] == 0
    assert found["added_not_found"] == 0
    # The same answers, exactly, before and after the compaction.
    assert found["same_answers"] == [200, 200]
