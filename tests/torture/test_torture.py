"""The short campaign: each failpoint once, and some random moments."""

import pytest

from tests.torture.campaign import Campaign, embedding
from tests.torture.failpoints import ALL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


@pytest.fixture
def campaign(tmp_path):
    with embedding(tmp_path) as embedder:
        yield Campaign(tmp_path, embedder, seed=0)


def test_nothing_is_lost_at_any_failpoint_or_moment(campaign):
    campaign.at_each_failpoint()
    for _ in range(30):
        campaign.at_random()
    assert campaign.summary.losses == []
    assert campaign.summary.failures == []
    assert campaign.summary.not_reached == []
    assert campaign.summary.killed == len(ALL) + 30
