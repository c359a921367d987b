"""The cookie by which a browser reads one file, in process over a service's real checks."""

import time

import pytest
from fastapi import FastAPI, Request, Response

from shared.web import file_cookie
from shared.web.callers import caller_of
from shared.web.file_cookie import NAME, set_cookie

KEY = "correct horse"
LISTED, WRITER = "a-key-of-the-file-0123", "a-key-to-write-with-45"
FILE = "/v1/images/a;b%2Fc/file"


@pytest.fixture
def keys_file(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"listed read {LISTED}\nwriter write {WRITER}\n")
    return file


@pytest.fixture
def serve(service, keys_file):
    def made(**settings) -> FastAPI:
        app = service(**{"api_key": KEY, "api_keys_file": keys_file} | settings)

        @app.post("/v1/images/{image_id:path}/file/access")
        def allow(request: Request, response: Response) -> str:
            set_cookie(request, response, app.state.keys)
            return "allowed"

        @app.api_route("/v1/{rest:path}", methods=["GET", "HEAD", "POST", "DELETE"])
        def secret(request: Request) -> list[str]:
            caller = caller_of(request.scope)
            return [caller.label or "", *sorted(caller.scopes)]

        return app

    return made


@pytest.fixture
def given(ask):
    """A cookie as a service sets it for a file."""

    def of(app, key=LISTED, path=FILE, **headers):
        headers["Authorization"] = f"Bearer {key}"
        return ask(app, "POST", f"{path}/access", headers=headers).headers.get("set-cookie")

    return of


def sent(cookie):
    return {"Cookie": f"theme=dark; {cookie.split(';')[0]}"}


def test_it_opens_one_file_for_reading_and_nothing_else(serve, given, ask):
    app = serve()
    cookie = given(app)
    parts = [part.strip().lower() for part in cookie.split(";")[1:]]
    # Without a path it is for what lies at and below the level above the one that set it.
    assert parts == ["httponly", "max-age=600", "samesite=strict"]
    assert LISTED not in cookie
    headers = sent(cookie)
    assert ask(app, "GET", FILE, headers=headers).json() == ["listed", "read"]
    assert ask(app, "HEAD", FILE, headers=headers).status_code == 200
    assert ask(app, "GET", f"{FILE}?uri=x", headers=headers).status_code == 200
    assert ask(app, "GET", FILE).status_code == 401
    for method, path in (
        ("POST", FILE),
        ("DELETE", FILE),
        ("POST", f"{FILE}/access"),
        ("GET", "/v1/images/a;b%2Fc"),
        ("GET", "/v1/images/a;b%2Fc/thumbnail"),
        ("GET", "/v1/images/a/file"),
        ("GET", f"{FILE}/file"),
        ("GET", "/v1/stats"),
    ):
        assert ask(app, method, path, headers=headers).status_code == 401, (method, path)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.replace(":listed", ":ISE_API_KEY"),
        lambda value: value.replace(":listed", ":nobody"),
        lambda value: value.replace(":listed", ""),
        lambda value: str(int(value[:10]) + 9) + value[10:],
        lambda value: value[:10] + value[11:],
        lambda value: value[:-8] + "é",
        lambda _: "",
        lambda _: "::",
        lambda _: "x:y:listed",
    ],
)
def test_a_changed_one_is_none(serve, given, ask, change):
    app = serve()
    name, _, value = given(app).split(";")[0].partition("=")
    header = f"{name}={change(value)}".encode()
    assert ask(app, "GET", FILE, headers={"Cookie": header}).status_code == 401
    # A browser may send others before the right one.
    both = header + f"; {name}={value}".encode()
    assert ask(app, "GET", FILE, headers={"Cookie": both}).status_code == 200


def test_it_is_void_after_its_time(serve, given, ask, monkeypatch):
    app = serve()
    headers = sent(given(app))
    real = time.time
    monkeypatch.setattr(file_cookie.time, "time", lambda: real() + 599)
    assert ask(app, "GET", FILE, headers=headers).status_code == 200
    monkeypatch.setattr(file_cookie.time, "time", lambda: real() + 601)
    assert ask(app, "GET", FILE, headers=headers).status_code == 401


@pytest.mark.parametrize(
    "after", ["", "listed read another-key-for-it\n", f"listed write {LISTED}\n"]
)
def test_it_is_void_with_its_key(serve, given, ask, keys_file, after):
    app = serve()
    headers = sent(given(app))
    assert ask(app, "GET", FILE, headers=headers).status_code == 200
    keys_file.write_text(after)
    assert ask(app, "GET", FILE, headers=headers).status_code == 401


def test_a_key_in_the_header_counts_alone(serve, given, ask):
    app = serve()
    headers = sent(given(app)) | {"Authorization": "Bearer wrong"}
    assert ask(app, "GET", FILE, headers=headers).status_code == 401


def test_replicas_with_the_same_key_accept_it_and_others_do_not(serve, given, ask):
    headers = sent(given(serve()))
    assert ask(serve(), "GET", FILE, headers=headers).status_code == 200
    assert ask(serve(api_key="another horse"), "GET", FILE, headers=headers).status_code == 401


def test_it_is_for_tls_alone_where_the_page_has_it(serve, given):
    app = serve()
    assert "; secure" in given(app, origin="https://localhost").lower()
    assert "; secure" not in given(app, origin="http://localhost").lower()


def test_a_service_without_keys_sets_none(serve, given):
    assert given(serve(api_key=None, api_keys_file=None)) is None
    assert NAME == "ise_file"
