"""By which names a service may be asked. A page that DNS rebinding serves has another's."""

import pytest
from fastapi import FastAPI

from shared.core.settings import ServiceSettings
from shared.web.hosts import Hosts

OPEN = {"host": "0.0.0.0", "allow_open": True}  # noqa: S104
KEYED = {"host": "0.0.0.0", "api_key": "k"}  # noqa: S104

LOOPBACK = ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.8.9.1:1", "[::1]", "[::1]:8000"]
FOREIGN = [
    "elsewhere.example",
    "elsewhere.example:8000",
    "localhost.elsewhere.example",
    "127.0.0.1.elsewhere.example",
    "elsewhere.example@localhost",
    "localhost@elsewhere.example",
    "",
    "[::1",
    "localhost,elsewhere.example",
]


def hosts(**settings):
    return Hosts(ServiceSettings(_env_file=None, **settings))


@pytest.mark.parametrize("settings", [{}, OPEN, {"host": "::1"}, {"allowed_hosts": ["a.example"]}])
def test_its_own_names_are_those_of_loopback_by_default(settings):
    known = hosts(**settings)
    assert all(known.has(name) for name in LOOPBACK)
    assert [name for name in FOREIGN if known.has(name)] == ["elsewhere.example@localhost"]
    assert not known.has(None)


def test_an_address_of_the_network_is_one_of_its_own_where_it_listens_there():
    for address in ("192.168.1.5:8000", "[fd00::1]:8000"):
        assert hosts(**OPEN).has(address)
        assert not hosts().has(address)


def test_services_call_each_other_by_the_names_in_their_urls():
    known = hosts(indexer_url="http://indexer:8001", embedder_url="http://one:1,http://two:2")
    assert all(known.has(name) for name in ("indexer:8001", "indexer", "one:1", "two"))
    assert not known.has("three")


def test_others_are_named():
    known = hosts(api_key="k", allowed_hosts=["Pictures.example", "*.wild.example"])
    for name in ("pictures.example", "PICTURES.EXAMPLE:443", "a.b.wild.example"):
        assert known.has(name), name
    for name in ("wild.example", "evilpictures.example", "x.pictures.example", "evilwild.example"):
        assert not known.has(name), name
    assert hosts(api_key="k", allowed_hosts=["*"]).has("any.example")


def test_where_a_key_is_asked_for_off_loopback_any_name_will_do_until_some_are_named():
    assert hosts(**KEYED).has("any.example")
    assert not hosts(**KEYED, allowed_hosts=["a.example"]).has("any.example")
    # A key that a page on the same machine could know of no use against rebinding there.
    assert not hosts(api_key="k").has("any.example")


@pytest.fixture
def changeable(service) -> FastAPI:
    app = service()

    @app.get("/v1/thing")
    def read() -> str:
        return "read"

    @app.post("/v1/thing")
    def change() -> str:
        return "changed"

    return app


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/v1/thing", "/metrics", "/docs", "/nowhere"])
def test_a_page_whose_name_was_bound_anew_gets_nothing(ask, changeable, method, path):
    # To the browser it's the page's own origin.
    headers = {
        "Host": "rebound.example:8000",
        "Origin": "http://rebound.example:8000",
        "Sec-Fetch-Site": "same-origin",
    }
    answer = ask(changeable, method, path, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:ise:problem:foreign-host"
    assert "ISE_ALLOWED_HOSTS" in answer.json()["detail"]


def test_of_two_hosts_none_is_believed(ask, changeable):
    headers = [(b"host", b"localhost"), (b"host", b"localhost")]
    assert ask(changeable, "GET", "/v1/thing", headers=headers).status_code == 403
