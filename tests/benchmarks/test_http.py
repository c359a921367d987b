"""A small run of the benchmark of searches over HTTP: every one is answered, and it's reported."""

import pytest

from benchmarks import features, http, product
from benchmarks.report_http import over_http


@pytest.mark.slow
def test_every_request_is_answered_and_told_of(tmp_path):
    product.fill(tmp_path, features.chunks(1500, 32))
    product.build(tmp_path)
    found = http.measure(tmp_path, rows=1500, queries=20, requests=60, clients=8)
    assert (found["load"]["requests"], found["load"]["errors"]) == (60, 0)
    machine = {
        "packages": {},
        "changed": False,
        "commit": "c",
        "processor": "p",
        "cores": 2,
        "memory_gib": 1,
        "python": "3",
    }
    told = over_http(
        {**found, "collection": "small", "machine": machine, "measured_at": "2026-01-01"}
    )
    assert "60 requests by 8 concurrent clients: 0 errors" in told
