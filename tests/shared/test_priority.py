import pytest

from shared.contracts.embedder import BULK_PRIORITY
from shared.web.priority import is_bulk


@pytest.mark.parametrize("header", [BULK_PRIORITY, "u=4", "i, u=5", "u=6;x=1, i", " u=7 "])
def test_less_urgent_than_the_default_is_bulk(header):
    assert is_bulk(header)


@pytest.mark.parametrize(
    "header", [None, "", "u=3", "u=0", "i", "u=8", "u=70", "bulk", "xu=7", "u"]
)
def test_all_else_is_not(header):
    assert not is_bulk(header)
