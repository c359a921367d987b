import pytest
from fastapi import FastAPI


@pytest.fixture
def changeable(service) -> FastAPI:
    app = service()

    @app.post("/v1/thing")
    def change() -> str:
        return "changed"

    @app.get("/v1/thing")
    def read() -> str:
        return "read"

    return app


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://elsewhere.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:8080"},
        {"Origin": "http://localhost:8080"},
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.elsewhere.example"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "HEAD"])
def test_a_page_of_another_site_changes_nothing_and_starts_nothing(
    ask, changeable, headers, method
):
    answer = ask(changeable, method, "/v1/thing", headers=headers)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    if method != "HEAD":
        assert answer.json()["type"] == "urn:ise:problem:foreign-page"


@pytest.mark.parametrize("mode", ["navigate", "no-cors"])
def test_a_link_to_the_own_page_is_followed_from_anywhere(ask, changeable, mode):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode}

    @changeable.get("/")
    def page() -> str:
        return "page"

    assert ask(changeable, "GET", "/", headers=headers).json() == "page"
    # A download by a link of another page would be one, too.
    assert ask(changeable, "GET", "/v1/thing", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
    ],
)
def test_programs_and_its_own_page_may(ask, changeable, headers):
    assert ask(changeable, "POST", "/v1/thing", headers=headers).json() == "changed"
    assert ask(changeable, "GET", "/v1/thing", headers=headers).json() == "read"
