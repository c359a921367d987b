"""Callers that ask too often are told when to ask again; others are not held up by them."""

import math

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from shared.core.settings import ServiceSettings
from shared.web.rate_limit import Rate, TokenBuckets
from shared.web.service import create_service

KEYS = "one read key-one-0123456789\ntwo read key-two-0123456789\n"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def limited(tmp_path):
    def build(rate, keys=KEYS) -> FastAPI:
        file = tmp_path / "keys"
        file.write_text(keys)
        given = {"api_key": "own", "api_keys_file": file} if keys else {}
        settings = ServiceSettings(_env_file=None, **given)
        app = create_service(
            "nothing", "", settings, lambda _: None, lambda: None, ("/page",), rate=rate
        )

        @app.get("/v1/thing")
        def thing() -> int:
            return 1

        @app.get("/page")
        def page() -> int:
            return 1

        return app

    return build


def by(key):
    return {"Authorization": f"Bearer {key}"}


# So slow that no token comes while a test runs.
SLOW = Rate.of(1e-4, 3)


def test_over_the_limit_is_429_with_the_seconds_to_wait(limited, ask):
    app = limited(SLOW, keys="")
    answers = [ask(app, "GET", "/v1/thing") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    refused = answers[3]
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["type"] == "urn:ise:problem:rate-limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= 10_000
    assert "ISE_RATE_LIMIT" in refused.json()["detail"]


def test_each_key_has_its_own_share_from_wherever_it_is_sent(limited, ask):
    app = limited(SLOW)
    for _ in range(3):
        assert ask(app, "GET", "/v1/thing", headers=by("key-one-0123456789")).status_code == 200
    assert ask(app, "GET", "/v1/thing", headers=by("key-one-0123456789")).status_code == 429
    assert ask(app, "GET", "/v1/thing", headers=by("key-two-0123456789")).status_code == 200
    assert ask(app, "GET", "/v1/thing", headers=by("own")).status_code == 200


def test_who_guesses_keys_is_limited_too(limited, ask):
    app = limited(SLOW)
    answers = [ask(app, "GET", "/v1/thing", headers=by(f"guess-{n}")) for n in range(5)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]


def test_who_watches_over_the_service_and_the_page_are_not_held_up(limited, ask):
    app = limited(SLOW)
    for path in ("/health", "/ready", "/metrics", "/page"):
        assert {ask(app, "GET", path).status_code for _ in range(6)} == {200}, path


def test_there_is_no_limit_by_default(limited, ask):
    app = limited(Rate.of(0, 0), keys="")
    assert {ask(app, "GET", "/v1/thing").status_code for _ in range(30)} == {200}


def test_it_fills_again_with_time_and_no_further_than_the_burst():
    clock = Clock()
    buckets = TokenBuckets(Rate.of(2, 4), clock)
    assert [buckets.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    clock.now += 0.5
    assert [buckets.take("a") for _ in range(2)] == [0, 0.5]
    clock.now += 3600
    assert [buckets.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]


@given(st.lists(st.floats(0, 5), max_size=200))
def test_no_more_than_the_burst_and_the_rate_are_let_through(pauses):
    clock = Clock()
    buckets = TokenBuckets(Rate.of(3, 5), clock)
    through = 0
    for pause in pauses:
        clock.now += pause
        through += not buckets.take("a")
    assert through <= 5 + 3 * math.fsum(pauses) + 1e-6


def test_many_callers_take_no_more_memory_than_ten_thousand():
    clock = Clock()
    buckets = TokenBuckets(Rate.of(1, 1), clock)
    for number in range(10_100):
        buckets.take(str(number))
    assert len(buckets._filled) == 10_000
    # The last ones are remembered.
    assert buckets.take("10099") == 1


def test_a_burst_is_that_of_ten_seconds_unless_it_is_named():
    assert Rate.of(5, 0) == Rate(5, 50)
    assert Rate.of(0.01, 0) == Rate(0.01, 1)
    assert Rate.of(5, 7) == Rate(5, 7)
